//! What became of a source, for people.

use std::{fmt, time::Duration};

use crate::transfer::record::Refusal;

/// Refusals that are shown one by one.
const MAX_SHOWN: usize = 20;

/// What became of the rows of sources.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    /// Execution contexts that were read.
    pub contexts: u64,
    /// Sessions that were read.
    pub sessions: u64,
    /// Metrics that were stored.
    pub stored: u64,
    /// Metrics that were stored already.
    pub present: u64,
    /// Number of rows that were left out.
    pub refused: u64,
    /// The first of them.
    pub refusals: Vec<Refusal>,
    /// How long it took.
    pub time: Duration,
}

impl Summary {
    /// Notes that a row was left out.
    pub fn refuse(&mut self, refusal: Refusal) {
        self.refused += 1;
        if self.refusals.len() < MAX_SHOWN {
            self.refusals.push(refusal);
        }
    }

    /// Adds what became of another source.
    pub fn add(&mut self, other: Self) {
        let Self { contexts, sessions, stored, present, refused, refusals, time } = other;
        self.contexts += contexts;
        self.sessions += sessions;
        self.stored += stored;
        self.present += present;
        self.refused += refused;
        self.refusals.extend(refusals);
        self.time += time;
    }

    /// Returns a line for each row that was left out, as far as they are shown.
    pub fn shown_refusals(&self) -> String {
        let mut lines: String =
            self.refusals.iter().map(|Refusal { place, reason }| format!("left out: {place}: {reason}\n")).collect();
        let more = self.refused - self.refusals.len() as u64;
        if more > 0 {
            lines.extend(["left out: ", &more.to_string(), " more\n"]);
        }
        lines
    }
}

impl Summary {
    /// Returns it as a sentence. `would` stands before what was done: nothing, or `would be `.
    pub fn shown(&self, would: &str) -> String {
        let Self { contexts, sessions, stored, present, refused, refusals: _, time } = self;
        let rows = stored + present + sessions + contexts;
        let rate = u128::from(rows) * 1_000_000 / time.as_micros().max(1_000);
        format!(
            "{} {would}stored, {present} there already, {} {would}left out; {} and {} read; {rate} rows/s",
            counted(*stored, "metric"),
            counted(*refused, "row"),
            counted(*sessions, "session"),
            counted(*contexts, "execution context"),
        )
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown(""))
    }
}

fn counted(number: u64, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}
