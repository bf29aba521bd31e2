//! `metrograph check`: holds what is kept besides metrics against these, and verifies every page, also while servers run.

use std::{
    io::{self, Write as _},
    sync::Arc,
    time::Duration,
};

use entity::{
    driver::source::Source as _,
    history::{Facts, Kept},
    query::{
        Store,
        check::{Reading, dangling, differences},
    },
};
use sea_orm::DbErr;
use tokio::sync::Mutex;

use crate::{
    commands::{failure::Failure, output::print, token::Output},
    config::{CheckCommand, Connections, DatabaseUrl, Settings, StorageSettings},
    db::{Database, OpenError},
    error::Error,
    ingest::{Derived, Ingest, Repair},
};

/// Why nothing could be checked.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The database cannot be opened.
    #[error(transparent)]
    Unusable(#[from] OpenError),
    /// The database failed later.
    #[error("--database-url: the database failed: {0}")]
    Database(#[from] DbErr),
    /// The database does not exist.
    #[error("--database-url: there is no database of Metrograph at {0}: give the server's")]
    Missing(String),
    /// It has the tables of an older version.
    #[error(
        "--database-url: the tables at {0} are those of an older version ({1} is lacking): start the server once, or check with that version"
    )]
    Older(String, String),
    /// Too much changes.
    #[error("--database-url: sessions are being deleted all the time: try again later")]
    Restless,
    /// A repair failed.
    #[error("--repair: {0}: what was repaired before that stays so")]
    Repair(String),
}

/// What was found.
#[derive(Debug)]
pub struct Checked {
    /// A line for each fault, and a summary.
    pub output: Output,
    /// Whether nothing is wrong by now.
    pub is_right: bool,
    /// The number of metrics.
    pub metrics: u64,
}

/// Maximum time of a query.
const READ_TIMEOUT: Duration = Duration::from_mins(30);
/// How often all is read again because too much changed meanwhile.
const MAX_TRIES: u32 = 10;
/// The exit code if something is wrong.
const WRONG: u8 = 1;
/// Lines of one kind, at most.
const MAX_LINES: usize = 20;

/// Runs the command and prints what is wrong.
pub(crate) async fn print_result(command: CheckCommand, settings: &Settings) -> Result<(), Failure> {
    let checked = run(command, &settings.database_url, &settings.storage).await;
    let Checked { output, is_right, .. } = checked.map_err(|error| settings.named(&error))?;
    print(&output.result)?;
    // Standard error is closed, so nothing can be reported.
    let _ = io::stderr().write_all(output.note.as_bytes());
    if is_right { Ok(()) } else { Err(Failure::Ended(WRONG)) }
}

/// Checks the database at `url`, with as few connections as possible. Without `repair`, nothing in it changes.
///
/// # Errors
/// [`CheckError`].
pub async fn run(command: CheckCommand, url: &DatabaseUrl, storage: &StorageSettings) -> Result<Checked, CheckError> {
    if storage.read_only && command.repair {
        return Err(OpenError::ReadOnly.into());
    }
    let storage =
        StorageSettings { connections: Some(Connections::MIN), read_only: !command.repair, ..storage.clone() };
    if !Database::is_there(url, &storage).await? {
        return Err(CheckError::Missing(url.shown().to_owned()));
    }
    let database = Database::open(url, &storage, READ_TIMEOUT).await.map_err(|error| match error {
        OpenError::Older(step) => CheckError::Older(url.shown().to_owned(), step),
        other => other.into(),
    })?;
    let report = check(&database, command.repair).await;
    database.close().await?;
    let report = report?;
    let note = report.note(url.shown());
    let result = report.faults.iter().map(|line| format!("{line}\n")).collect();
    let is_right = report.faults.is_empty() || report.is_repaired;
    Ok(Checked { output: Output { result, note }, is_right, metrics: report.metrics })
}

/// What a check found.
#[derive(Debug, Default)]
struct Report {
    /// One line each.
    faults: Vec<String>,
    /// Whether all of them were repaired.
    is_repaired: bool,
    /// Whether something was to be repaired and could not be.
    is_left: bool,
    metrics: u64,
    segments: usize,
}

impl Report {
    fn note(&self, place: &str) -> String {
        let found = match self.faults.len() {
            0 => "nothing is wrong".to_owned(),
            1 => "1 fault was found".to_owned(),
            faults => format!("{faults} faults were found"),
        };
        let what = match (self.is_repaired, self.is_left) {
            _ if self.faults.is_empty() => "",
            (true, _) => " and repaired",
            (false, true) => " and not all of it could be repaired",
            (false, false) => "",
        };
        let counted = |number: u64, thing: &str| format!("{number} {thing}{}", if number == 1 { "" } else { "s" });
        let (metrics, segments) = (counted(self.metrics, "metric"), counted(self.segments as u64, "segment"));
        format!("{found}{what} in {place}: {metrics} and {segments} were read.\n")
    }
}

/// What is to be repaired.
struct Wrong {
    has_state: bool,
    kept: Vec<(Kept, Vec<(i64, i64)>)>,
    derived: Derived,
    /// Whether the facts are all that ever was.
    are_facts_complete: bool,
}

impl Wrong {
    fn is_empty(&self) -> bool {
        !self.has_state && self.kept.iter().all(|(_, keys)| keys.is_empty()) && self.derived.is_empty()
    }
}

async fn check(database: &Database, repair: bool) -> Result<Report, CheckError> {
    let store = &database.store;
    let mut report = Report::default();
    if let Some(integrity) = store.engine().integrity_check() {
        let found: Vec<String> = store.select(integrity, []).await?;
        if found != ["ok"] {
            let lines = found.iter().flat_map(|reason| reason.lines()).take(MAX_LINES);
            report.faults =
                lines.map(|reason| format!("the file is damaged: {reason}: restore it from a backup")).collect();
            report.is_left = repair;
            return Ok(report);
        }
    }
    let (facts, wrong) = look(store, &mut report).await?;
    if !repair || report.faults.is_empty() {
        return Ok(report);
    }
    if wrong.are_facts_complete {
        let facts = Arc::new(Mutex::new(facts));
        let (ingest, committer) = Ingest::of_command(database).await?;
        let repaired = repair_all(store, &ingest, &facts, wrong).await;
        drop(ingest);
        committer.finish().await;
        repaired?;
        // What was found stays in the report; this says whether it is still so.
        let mut left = Report::default();
        look(store, &mut left).await?;
        report.is_repaired = left.faults.is_empty();
        (report.metrics, report.segments) = (left.metrics, left.segments);
        report.faults.extend(left.faults.into_iter().map(|fault| format!("not repaired: {fault}")));
    } else {
        report.faults.push("nothing was repaired: the counters may be right, and metrics are missing".to_owned());
    }
    report.is_left = !report.is_repaired;
    Ok(report)
}

/// Reads everything, and adds to `report` what is wrong.
async fn look(store: &Store, report: &mut Report) -> Result<(Facts, Wrong), CheckError> {
    for _ in 0..MAX_TRIES {
        if let Some((facts, wrong, found)) = look_once(store).await? {
            *report = found;
            return Ok((facts, wrong));
        }
    }
    Err(CheckError::Restless)
}

/// `None` if too much changed meanwhile.
async fn look_once(store: &Store) -> Result<Option<(Facts, Wrong, Report)>, CheckError> {
    let Some(reading) = Reading::of(store).await? else { return Ok(None) };
    let Reading { mut facts, segments, damages, gaps, state } = reading;
    let mut report = Report { segments, ..Report::default() };
    let mut are_facts_complete = damages.is_empty();
    let has_state = !state.is_empty();
    report.add(damages);
    report.add(state);
    let mut kept = Vec::new();
    if are_facts_complete {
        for what in Kept::ALL {
            let Some(found) = differences(store, what, &mut facts).await? else { return Ok(None) };
            if what == Kept::Session && found.are_lost && !gaps.is_empty() {
                are_facts_complete = false;
                report.add(gaps.clone());
            }
            are_facts_complete &= found.missing.is_empty();
            report.add(found.missing);
            let more = found.keys.len() - found.shown.len();
            report.add(found.shown);
            report.add((more > 0).then(|| format!("and {more} more like this")).into_iter().collect());
            kept.push((what, found.keys));
        }
    }
    report.add(dangling(store).await?);
    let derived = Derived::wrong(store).await?;
    report.faults.extend(derived.shown.iter().cloned());
    report.metrics = facts.metrics();
    Ok(Some((facts, Wrong { has_state, kept, derived, are_facts_complete }, report)))
}

impl Report {
    fn add(&mut self, lines: Vec<String>) {
        let more = lines.len().saturating_sub(MAX_LINES);
        self.faults.extend(lines.into_iter().take(MAX_LINES));
        if more > 0 {
            self.faults.push(format!("and {more} more like this"));
        }
    }
}

/// Repairs what can be. What is derived from what was repaired is looked at again in between.
async fn repair_all(
    store: &Store,
    ingest: &Ingest,
    facts: &Arc<Mutex<Facts>>,
    mut wrong: Wrong,
) -> Result<(), CheckError> {
    let failed = |error: Error| CheckError::Repair(error.message);
    let greatest = facts.lock().await.greatest();
    if wrong.has_state {
        ingest.repair(facts, Repair::History(greatest)).await.map_err(failed)?;
    }
    for _ in 0..MAX_TRIES {
        if wrong.is_empty() {
            return Ok(());
        }
        let mut is_current = true;
        for (kept, keys) in std::mem::take(&mut wrong.kept) {
            is_current = is_current && ingest.repair(facts, Repair::Kept(kept, keys)).await.map_err(failed)?;
        }
        if is_current {
            // Runs depend on sessions, and their latest dates on runs.
            for _ in 0..2 {
                let derived = Derived::wrong(store).await?;
                ingest.repair(facts, Repair::Derived(derived)).await.map_err(failed)?;
            }
            if Derived::wrong(store).await?.has_orphans {
                ingest.repair(facts, Repair::Orphans).await.map_err(failed)?;
            }
            return Ok(());
        }
        let (new, found) = look(store, &mut Report::default()).await?;
        *facts.lock().await = new;
        wrong = found;
        if !wrong.are_facts_complete {
            return Ok(());
        }
    }
    Err(CheckError::Restless)
}
