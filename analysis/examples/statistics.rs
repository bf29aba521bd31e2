//! Answers a line of standard input with a line of what this crate makes of it, for others to judge (`tests/clients/judges.py`):
//!
//! ```text
//! pair 10 10.2 9.9 ; 10.6 10.4     U, p, δ, both medians, the interval of their difference
//! percentile 0.9 1 2 4 8           that percentile
//! adjusted 0.5 0.01 0.001          the adjusted p-values
//! geometric_mean 2 0.5             the mean
//! ```

use std::{error::Error, io};

use analysis::{
    MannWhitney, PooledRanks, Sample, adjusted, cliffs_delta, geometric_mean, interval_of_median_difference,
};

fn numbers(text: &str) -> Result<Vec<f64>, Box<dyn Error>> {
    text.split_whitespace().map(|number| Ok(number.parse()?)).collect()
}

fn sample(values: Vec<f64>) -> Result<Sample, Box<dyn Error>> {
    Sample::of(values).ok_or_else(|| "a sample has finite values".into())
}

fn pair(text: &str) -> Result<Vec<f64>, Box<dyn Error>> {
    let (before, after) = text.split_once(';').ok_or("a pair has two sides")?;
    let (before, after) = (sample(numbers(before)?)?, sample(numbers(after)?)?);
    let ranks = PooledRanks::of(&before, &after);
    let found = MannWhitney::of(&ranks);
    let interval = interval_of_median_difference(&before, &after);
    let medians = [before.median(), after.median()];
    Ok(vec![found.u, found.p, cliffs_delta(&ranks), medians[0], medians[1], interval.low, interval.high])
}

fn answer(line: &str) -> Result<Vec<f64>, Box<dyn Error>> {
    let (what, text) = line.split_once(' ').ok_or("a line has a word and numbers")?;
    match what {
        "pair" => pair(text),
        "percentile" => {
            let mut values = numbers(text)?;
            let p = values.remove(0);
            Ok(vec![sample(values)?.percentile(p)])
        }
        "adjusted" => Ok(adjusted(&numbers(text)?)),
        "geometric_mean" => Ok(geometric_mean(&numbers(text)?).map(|mean| mean.ratio).into_iter().collect()),
        _ => Err(format!("{what} is no statistic").into()),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    for line in io::stdin().lines() {
        let answers: Vec<_> = answer(&line?)?.iter().map(ToString::to_string).collect();
        println!("{}", answers.join(" "));
    }
    Ok(())
}
