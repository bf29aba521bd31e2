//! Answers questions over the whole history, for measurements beside other engines (`benches/driver/aggregates.py`):
//!
//! ```text
//! cargo run --release --example aggregates -- --database-url sqlite://metrograph.db --read-only
//! ```
//!
//! Each line of standard input is a question: `groups all`, `groups day`, `groups component` or `groups variant` (count, mean and
//! 95th percentile of the total time), `variant LOCATION NAME` or `builds PIPELINE BUILD BUILD` (their total times). Each line of
//! standard output is its answer: the seconds that it took, the number of rows, and what can be compared with another engine's.

use std::{
    error::Error,
    io::{BufRead as _, stdin},
    time::Instant,
};

use entity::{
    filter::{Text, Tree},
    query::{
        Store,
        groups::{Dimension, GroupBy, OrderBy, Question, Selected, TimeBucket, WantedStatistics, groups, values},
    },
    resource::Resource,
    table::{metric, variant},
};
use metrograph::{Database, config};

/// The binary's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Answers a question: the number of rows, and numbers that depend on all of them.
async fn answer(store: &Store, question: &[&str]) -> Result<(usize, Vec<f64>), Box<dyn Error>> {
    let any_of = |values: &[&str]| {
        let any_of = Some(values.iter().map(ToString::to_string).collect());
        Some(Text { any_of, ..Text::default() })
    };
    let filter = match question {
        ["groups", by] => {
            let by = match *by {
                "variant" => vec![GroupBy::By(Dimension::Variant)],
                "component" => vec![GroupBy::By(Dimension::Component)],
                "day" => vec![GroupBy::Time(TimeBucket::Day)],
                _ => Vec::new(),
            };
            let wanted = WantedStatistics { percentiles: vec![0.95], ..WantedStatistics::default() };
            let question = Question {
                filter: Tree::default(),
                by,
                order: OrderBy::Names,
                descending: false,
                after: None,
                limit: usize::MAX,
                until_share: None,
                wanted: Selected { resources: vec![(Resource::TotalTime, wanted, false)], ..Selected::default() },
            };
            let groups = groups(store, &question).await.map_err(|error| format!("{error:?}"))?.groups;
            let count: u64 = groups.iter().map(|group| group.count).sum();
            let sum: f64 = groups.iter().map(|group| group.statistics[0].sum).sum();
            let p95: f64 = groups.iter().map(|group| group.statistics[0].percentiles[0]).sum();
            #[allow(clippy::cast_precision_loss, reason = "for comparison")]
            return Ok((groups.len(), vec![count as f64, sum, p95]));
        }
        ["variant", location, name] => metric::Filter {
            variant: variant::Filter {
                location: any_of(&[location]),
                name: any_of(&[name]),
                ..variant::Filter::default()
            },
            ..metric::Filter::default()
        },
        ["builds", pipeline, builds @ ..] => {
            metric::Filter { pipeline: any_of(&[pipeline]), build: any_of(builds), ..metric::Filter::default() }
        }
        _ => return Err(format!("unknown: {question:?}").into()),
    };
    let values = values(store, &filter.into(), Resource::TotalTime).await?;
    let sum: f64 = values.iter().map(|value| value.value).sum();
    Ok((values.len(), vec![sum, values.first().map_or(0.0, |value| value.value)]))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (_, settings) = config::read().map_err(|stop| format!("{stop:?}"))?;
    let database = Database::open(&settings.database_url, &settings.storage, settings.limits.request_timeout).await?;
    for line in stdin().lock().lines() {
        let line = line?;
        let question: Vec<&str> = line.split('\t').collect();
        let began = Instant::now();
        let (rows, numbers) = answer(&database.store, &question).await?;
        let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
        println!("{}\t{rows}\t{}", began.elapsed().as_secs_f64(), numbers.join("\t"));
    }
    Ok(database.close().await?)
}
