//! To which run a session belongs: by the tag `run_id`, else by its numbered build, else by what it has in common with sessions that
//! began at about the same time, else to one of its own.
//!
//! Nothing in an announcement says on which machine a session is; its first metric does. Until then it may be in a run with any
//! other session that is like it. If its machine turns out to be another one than that of the run, it moves. So the sessions of
//! one pytest run with workers are one run, and the controller, which never measures anything, is in it.

use std::{collections::HashMap, sync::LazyLock};

use entity::{
    digest::{Digest, digest},
    driver::{executor::Transaction, keys, source::Source as _},
    table::{
        run::{self, Kind},
        session,
    },
};
use sea_orm::{
    DbErr, EntityTrait as _,
    sea_query::{Expr, ExprTrait as _, Value},
};

use crate::ingest::{
    branch::value_of,
    erasing::{erase, is_childless},
    latest_runs::{self, Touched},
};

/// How far the run dates of sessions may be apart that are taken for one run, in microseconds.
const WINDOW: i64 = 120_000_000;

/// A session that comes into a run.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    pub kind: Kind,
    /// Of what the sessions of its run have in common.
    pub digest: Digest,
    pub project_id: i64,
    pub pipeline_id: Option<i64>,
    /// Its build, if that has a number.
    pub build_id: Option<i64>,
    pub branch_id: Option<i64>,
    pub scm_ref: Option<String>,
    /// Microseconds.
    pub run_date: i64,
    /// Whether it has metrics.
    pub is_measured: bool,
    /// The machine of its first metric, once that and its context have come.
    pub machine: Option<String>,
}

impl Arrival {
    /// Returns the revision, unless it is empty.
    fn revision(&self) -> Option<String> {
        self.scm_ref.clone().filter(|scm_ref| !scm_ref.is_empty())
    }
}

/// Returns by what the run of a session is found, and the digest of that.
pub(crate) fn key(
    project: i64,
    build: Option<i64>,
    scm_ref: Option<&str>,
    tags: &[(String, String)],
) -> (Kind, Digest) {
    let project = project.to_string();
    if let Some(id) = value_of(tags, "run_id") {
        return (Kind::Tag, digest(&["run_id", &project, id]));
    }
    if let Some(build) = build {
        return (Kind::Build, digest(&["build", &build.to_string()]));
    }
    let mut sorted: Vec<_> = tags.iter().collect();
    sorted.sort();
    let tags = sorted.iter().flat_map(|(name, value)| [name.as_str(), value]);
    let parts: Vec<&str> = ["inferred", &project, scm_ref.unwrap_or_default()].into_iter().chain(tags).collect();
    (Kind::Inferred, digest(&parts))
}

/// The runs that arrivals may come into, and those that they found.
struct Candidates {
    runs: Vec<run::Model>,
    by_digest: HashMap<Vec<u8>, Vec<usize>>,
    /// Runs from here on are new.
    stored: usize,
    /// What is to be stored, by place.
    changed: Vec<bool>,
    next_id: i64,
}

impl Candidates {
    async fn of(tx: &Transaction<'_>, arrivals: &[Arrival]) -> Result<Self, DbErr> {
        let dates = || arrivals.iter().map(|arrival| arrival.run_date);
        let (first, last) = (dates().min().unwrap_or_default(), dates().max().unwrap_or_default());
        let mut digests: Vec<Vec<u8>> = arrivals.iter().map(|arrival| arrival.digest.to_vec()).collect();
        digests.sort_unstable();
        digests.dedup();
        let period = (first.saturating_sub(WINDOW), last.saturating_add(WINDOW));
        let runs = run::by_digests(tx, digests, period).await?;
        let next_id = keys::next(tx, "run", "id").await?;
        let mut by_digest: HashMap<Vec<u8>, Vec<usize>> = HashMap::new();
        for (place, run) in runs.iter().enumerate() {
            by_digest.entry(run.digest.clone()).or_default().push(place);
        }
        Ok(Self { by_digest, stored: runs.len(), changed: vec![false; runs.len()], runs, next_id })
    }

    /// Returns the run that an arrival comes into, if there is one: that of its machine before one whose machine is unknown, then
    /// the nearest one, then the one that was founded first.
    fn find(&self, arrival: &Arrival) -> Option<usize> {
        let places = self.by_digest.get(arrival.digest.as_slice())?;
        if arrival.kind != Kind::Inferred {
            return places.first().copied();
        }
        let fitting = places.iter().copied().filter_map(|place| {
            let run = &self.runs[place];
            let distance = run.founded.abs_diff(arrival.run_date);
            let is_other = match (&run.machine, &arrival.machine) {
                (Some(theirs), Some(own)) if theirs != own => return None,
                (theirs, own) => theirs != own,
            };
            (distance <= WINDOW.unsigned_abs()).then_some((is_other, distance, place))
        });
        fitting.min().map(|(.., place)| place)
    }

    /// Brings an arrival into its run, and returns the run's key.
    fn join(&mut self, arrival: &Arrival) -> i64 {
        if let Some(place) = self.find(arrival) {
            self.changed[place] = true;
            let run = &mut self.runs[place];
            if run.branch_id.is_none() {
                run.branch_id = arrival.branch_id;
            }
            if run.scm_ref.is_none() {
                run.scm_ref = arrival.revision();
            }
            if run.machine.is_none() && arrival.kind == Kind::Inferred {
                run.machine.clone_from(&arrival.machine);
            }
            // Those without metrics count only as long as there are no others.
            if arrival.is_measured && run.measured_count == 0 {
                run.run_date = arrival.run_date;
            } else if arrival.is_measured || run.measured_count == 0 {
                run.run_date = Ord::min(run.run_date, arrival.run_date);
            }
            run.session_count += 1;
            run.measured_count += i64::from(arrival.is_measured);
            return run.id;
        }
        let Arrival { kind, digest, project_id, pipeline_id, build_id, branch_id, run_date, .. } = *arrival;
        let id = self.next_id;
        self.next_id += 1;
        let run = run::Model {
            id,
            kind: kind.as_str().to_owned(),
            digest: digest.to_vec(),
            founded: run_date,
            project_id,
            pipeline_id,
            build_id,
            branch_id,
            scm_ref: arrival.revision(),
            machine: arrival.machine.clone().filter(|_| kind == Kind::Inferred),
            run_date,
            session_count: 1,
            measured_count: i64::from(arrival.is_measured),
        };
        self.by_digest.entry(run.digest.clone()).or_default().push(self.runs.len());
        self.runs.push(run);
        self.changed.push(true);
        id
    }

    async fn store(self, tx: &Transaction<'_>) -> Result<(), DbErr> {
        let (old, new) = self.runs.split_at(self.stored);
        let old = old.iter().zip(&self.changed).filter(|(_, changed)| **changed).map(|(run, _)| run);
        run::update(tx, &old.collect::<Vec<_>>()).await?;
        run::insert(tx, new).await
    }
}

/// Brings sessions into their runs, in this order, and returns the keys of these. A constant number of statements finds them. Once
/// the sessions have these keys, [`latest_runs::note_of_sessions`] is due.
pub(crate) async fn join(tx: &Transaction<'_>, arrivals: &[Arrival]) -> Result<Vec<i64>, DbErr> {
    let mut candidates = Candidates::of(tx, arrivals).await?;
    let keys = arrivals.iter().map(|arrival| candidates.join(arrival)).collect();
    candidates.store(tx).await?;
    Ok(keys)
}

/// SQL for the machine of a session's first metric, as far as its context has come.
macro_rules! machine_of_session {
    () => {
        "(SELECT execution_context.machine_node FROM session_context JOIN execution_context \
         ON execution_context.id = session_context.context_id WHERE session_context.session_id = session.id \
         AND execution_context.announced IS NOT NULL ORDER BY session_context.context_id LIMIT 1)"
    };
}

const MACHINE: &str = concat!("SELECT ", machine_of_session!(), " FROM session WHERE id = $1");
const SET_MACHINE: &str =
    concat!("UPDATE session SET machine = ", machine_of_session!(), " WHERE id = $1 AND machine IS NULL");

/// SQL for the machine of a row of `session`; null until it is clear.
pub(crate) const MACHINE_OF_SESSION: &str = concat!("COALESCE(session.machine, ", machine_of_session!(), ")");

/// Returns the machines of these sessions as far as they are clear, by session.
pub(crate) async fn machines(tx: &Transaction<'_>, sessions: &[i64]) -> Result<HashMap<i64, String>, DbErr> {
    let ids: Vec<String> = sessions.iter().map(i64::to_string).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let sql = format!("SELECT id, {MACHINE_OF_SESSION} FROM session WHERE id IN ({})", ids.join(","));
    let rows: Vec<(i64, Option<String>)> = tx.select(&sql, []).await?;
    Ok(rows.into_iter().filter_map(|(id, machine)| Some((id, machine?))).collect())
}

/// Returns the machine of a session's first metric, if that and its context have come.
pub(crate) async fn machine_of(tx: &Transaction<'_>, session: i64) -> Result<Option<String>, DbErr> {
    Ok(tx.select::<Option<String>, _>(MACHINE, [session.into()]).await?.pop().flatten())
}

/// Session `$1` has its first metrics: counts it for its run, whose run date it may change.
const BEGIN: &str = "UPDATE run SET measured_count = measured_count + 1, run_date = CASE \
    WHEN measured_count = 0 OR (SELECT run_date FROM session WHERE id = $1) < run_date \
    THEN (SELECT run_date FROM session WHERE id = $1) ELSE run_date END \
    WHERE id = (SELECT run_id FROM session WHERE id = $1)";

/// Notes that these announced sessions have their first metrics.
pub(crate) async fn begin(tx: &Transaction<'_>, sessions: &[i64]) -> Result<(), DbErr> {
    if sessions.is_empty() {
        return Ok(());
    }
    let values: Vec<[Value; 1]> = sessions.iter().map(|session| [Value::from(*session)]).collect();
    tx.run_each(BEGIN, &values).await?;
    latest_runs::note_of_sessions(tx, sessions).await?;
    settle(tx, sessions).await
}

/// What its sessions say of a row of `run`: columns, and SQL for what must be in them.
pub(crate) const SAID_BY_SESSIONS: [(&str, &str); 8] = [
    ("session_count", "(SELECT COUNT(*) FROM session WHERE session.run_id = run.id)"),
    ("measured_count", "(SELECT COUNT(*) FROM session WHERE session.run_id = run.id AND session.metric_count > 0)"),
    (
        "run_date",
        "(SELECT COALESCE(MIN(CASE WHEN session.metric_count > 0 THEN session.run_date END), MIN(session.run_date)) \
         FROM session WHERE session.run_id = run.id)",
    ),
    (
        "pipeline_id",
        "(SELECT build.pipeline_id FROM session LEFT JOIN build ON build.id = session.build_id \
         WHERE session.run_id = run.id ORDER BY session.announced LIMIT 1)",
    ),
    (
        "build_id",
        "(SELECT build.id FROM session LEFT JOIN build ON build.id = session.build_id AND build.name <> '' \
         WHERE session.run_id = run.id ORDER BY session.announced LIMIT 1)",
    ),
    (
        "branch_id",
        "(SELECT session.branch_id FROM session WHERE session.run_id = run.id AND session.branch_id IS NOT NULL \
         ORDER BY session.announced LIMIT 1)",
    ),
    (
        "scm_ref",
        "(SELECT session.scm_ref FROM session WHERE session.run_id = run.id AND session.scm_ref <> '' \
         ORDER BY session.announced LIMIT 1)",
    ),
    // Only likeness founds a run by its machine.
    (
        "machine",
        "(SELECT MIN(CASE WHEN run.kind = 'inferred' THEN session.machine END) FROM session WHERE session.run_id = run.id)",
    ),
];

/// Makes run `$1` what its sessions say of it.
static RECOUNT: LazyLock<String> = LazyLock::new(|| {
    let set = SAID_BY_SESSIONS.map(|(column, said)| format!("{column} = {said}"));
    format!("UPDATE run SET {} WHERE id = $1", set.join(", "))
});

/// Makes these runs right after sessions have left them: they are what they would be if the other sessions had come alone, except
/// that these stay together. Runs without sessions are deleted. `touched` is what else has lost a session.
pub(crate) async fn recount(tx: &Transaction<'_>, runs: &[i64], mut touched: Touched) -> Result<(), DbErr> {
    touched.extend(Touched::of_runs(tx, runs).await?);
    let is_one = tx.engine().any_of(Expr::col("id"), runs);
    erase(tx, "run", &["id"], is_one.and(is_childless("run", "run_id", "session"))).await?;
    let values: Vec<[Value; 1]> = runs.iter().map(|run| [(*run).into()]).collect();
    tx.run_each(&RECOUNT, &values).await?;
    touched.extend(Touched::of_runs(tx, runs).await?);
    touched.note(tx).await
}

/// Looks at these announced sessions, whose machine was unknown: if it is another one than that of their run, they move.
pub(crate) async fn settle(tx: &Transaction<'_>, sessions: &[i64]) -> Result<(), DbErr> {
    for session in sessions {
        tx.run(SET_MACHINE, [(*session).into()]).await?;
        let Some(row) = tx.find_one(session::Entity::find_by_id(*session)).await? else { continue };
        let (Some(machine), Some(run), Some(run_date)) = (row.machine, row.run_id, row.run_date) else { continue };
        let Some(run) = tx.find_one(run::Entity::find_by_id(run)).await? else { continue };
        if run.kind() != Kind::Inferred || run.machine.as_ref() == Some(&machine) {
            continue;
        }
        if run.machine.is_none() {
            tx.run("UPDATE run SET machine = $2 WHERE id = $1", [run.id.into(), machine.into()]).await?;
            continue;
        }
        let Ok(digest) = Digest::try_from(run.digest) else { continue };
        let left = run.id;
        let arrival = Arrival {
            kind: Kind::Inferred,
            digest,
            project_id: run.project_id,
            pipeline_id: run.pipeline_id,
            build_id: None,
            branch_id: row.branch_id,
            scm_ref: row.scm_ref,
            run_date,
            is_measured: row.metric_count > 0,
            machine: Some(machine),
        };
        let joined = join(tx, &[arrival]).await?;
        tx.run("UPDATE session SET run_id = $2 WHERE id = $1", [(*session).into(), joined[0].into()]).await?;
        recount(tx, &[left], Touched::default()).await?;
        latest_runs::note_of_sessions(tx, &[*session]).await?;
    }
    Ok(())
}
