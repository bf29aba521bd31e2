//! What is derived from other tables, and not from metrics: whether it is what these say.

use entity::{driver::source::Source, query::check::numbering};
use sea_orm::{
    DbErr,
    sea_query::{Expr, ExprTrait as _, Query},
};

use crate::ingest::{
    erasing::{Orphans, orphans},
    latest_runs::Touched,
    runs::SAID_BY_SESSIONS,
};

/// Rows that are described, of each kind.
const MAX_SHOWN: usize = 20;

/// The components and builds whose counters are not the sums of those of the sessions.
const WRONG_BUILDS: &str = "WITH said AS (SELECT session_component.component_id AS component_id, build.id AS build_id, \
    build.pipeline_id AS pipeline_id, MIN(session_component.first_metric_id) AS first_metric_id, \
    CAST(SUM(session_component.metric_count) AS BIGINT) AS metric_count FROM session \
    JOIN build ON build.id = session.build_id JOIN session_component ON session_component.session_id = session.id \
    GROUP BY session_component.component_id, build.id, build.pipeline_id), \
    kept AS (SELECT component_id, build_id, pipeline_id, first_metric_id, metric_count FROM component_build) \
    SELECT DISTINCT component_id, build_id FROM (SELECT * FROM (SELECT * FROM said EXCEPT SELECT * FROM kept) AS lacking \
    UNION ALL SELECT * FROM (SELECT * FROM kept EXCEPT SELECT * FROM said) AS other) AS wrong ORDER BY build_id, component_id";

/// Returns the rows that may be there though nothing refers to them, in the order in which they are deleted.
pub(crate) fn unreferenced() -> impl Iterator<Item = Orphans> {
    let is_empty = || Expr::col("metric_count").eq(0).and(Expr::col("announced").is_null());
    let sessions = Orphans { table: "session", counting: &["id", "announced"], condition: is_empty() };
    std::iter::once(sessions).chain(orphans(is_empty()))
}

/// What is wrong.
#[derive(Debug, Clone, Default)]
pub(crate) struct Derived {
    /// Components and builds.
    pub builds: Vec<(i64, i64)>,
    /// Runs.
    pub runs: Vec<i64>,
    /// Branches, builds and pipelines.
    pub latest: Touched,
    /// Tables whose announced rows are counted wrongly.
    pub numbering: Vec<&'static str>,
    /// Whether there are rows that nothing refers to.
    pub has_orphans: bool,
    /// What is wrong, in words: not all of what is much.
    pub shown: Vec<String>,
}

impl Derived {
    /// Returns what is wrong. Each statement sees one state of the tables, whatever is stored meanwhile.
    ///
    /// # Errors
    /// If the database fails.
    pub(crate) async fn wrong(db: &impl Source) -> Result<Self, DbErr> {
        let mut wrong = Self { builds: db.select(WRONG_BUILDS, []).await?, ..Self::default() };
        let describe = |(component, build): &(i64, i64)| {
            format!("component_build {component}/{build}: it is not the sum of what the build's sessions have")
        };
        wrong.show(wrong.builds.iter().map(describe).collect(), "component_build");
        let fields = SAID_BY_SESSIONS.map(|(column, said)| {
            format!("CASE WHEN run.{column} IS DISTINCT FROM {said} THEN ' {column}' ELSE '' END")
        });
        let sql = format!(
            "SELECT id, fields FROM (SELECT run.id AS id, {} AS fields FROM run) AS looked WHERE fields <> '' ORDER BY id",
            fields.join(" || ")
        );
        let runs: Vec<(i64, String)> = db.select(&sql, []).await?;
        let describe = |(run, fields): &(i64, String)| {
            format!("run {run}: its sessions say something else of{}", fields.replace(' ', ", ").replacen(',', "", 1))
        };
        wrong.show(runs.iter().map(describe).collect(), "run");
        wrong.runs = runs.into_iter().map(|(run, _)| run).collect();
        wrong.latest = Touched::wrong(db).await?;
        let describe = |(table, key)| format!("{table} {key}: last_run_date is not that of its latest run");
        wrong.show(wrong.latest.by_table().map(describe).collect(), "last_run_date");
        for table in ["session", "execution_context"] {
            if let Some(reason) = numbering(db, table).await? {
                wrong.numbering.push(table);
                wrong.shown.push(reason);
            }
        }
        for Orphans { table, condition, .. } in unreferenced() {
            let select = Query::select()
                .column("id")
                .from(table)
                .and_where(condition)
                .order_by("id", sea_orm::Order::Asc)
                .take();
            let keys: Vec<i64> = db.all(&select).await?;
            wrong.has_orphans |= !keys.is_empty();
            wrong.show(keys.iter().map(|key| format!("{table} {key}: nothing refers to it")).collect(), table);
        }
        Ok(wrong)
    }

    fn show(&mut self, all: Vec<String>, what: &str) {
        let more = all.len().saturating_sub(MAX_SHOWN);
        self.shown.extend(all.into_iter().take(MAX_SHOWN));
        if more > 0 {
            self.shown.push(format!("{what}: and {more} more"));
        }
    }

    /// Returns whether nothing is wrong.
    pub(crate) fn is_empty(&self) -> bool {
        self.shown.is_empty()
    }
}
