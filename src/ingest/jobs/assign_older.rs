//! Gives what an older server stored its project, branch, run and machine class: by the rules for new sessions and contexts, part by
//! part, when the server starts. Metrics are not read.

use std::collections::{BTreeSet, HashMap};

use entity::{
    driver::source::Source,
    list,
    table::{build, execution_context, session, session_tag},
};
use sea_orm::{
    ColumnTrait as _, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    sea_query::{Expr, ExprTrait as _},
};

use crate::{
    error::Error,
    ingest::{
        batch::Batch,
        branch::value_of,
        erasing::{erase, is_childless},
        job::Job,
        jobs::announce_session::{Place, place},
        latest_runs,
        machine::MachineClass,
        names::Name,
        queue::Ingest,
        runs::{self, MACHINE_OF_SESSION},
        statements,
    },
};

/// Number of rows in a part.
const PART: u64 = 1_000;

/// Number of sessions without a run, and of contexts without a class.
const LEFT: &str = "SELECT (SELECT COUNT(*) FROM session WHERE run_id IS NULL AND announced IS NOT NULL) \
    + (SELECT COUNT(*) FROM execution_context WHERE machine_class_id IS NULL AND announced IS NOT NULL)";

/// Assigns the next part. It is done if nothing was left.
struct AssignOlder;

impl Job for AssignOlder {
    type Stored = u64;
    type Answer = u64;

    async fn store(&self, batch: &mut Batch<'_>) -> Result<u64, DbErr> {
        let contexts = contexts(batch).await?;
        // Contexts first: they have the machines of the sessions.
        if contexts > 0 { Ok(contexts) } else { sessions(batch).await }
    }

    fn answer(self, assigned: u64) -> Result<u64, Error> {
        Ok(assigned)
    }
}

/// Returns rows of keys for `VALUES`.
fn rows_of<const N: usize>(rows: impl IntoIterator<Item = [Option<i64>; N]>) -> String {
    let key = |key: Option<i64>| key.map_or_else(|| "NULL".to_owned(), |key| key.to_string());
    let row = |row: [Option<i64>; N]| format!("({})", row.map(key).join(","));
    rows.into_iter().map(row).collect::<Vec<_>>().join(",")
}

async fn contexts(batch: &mut Batch<'_>) -> Result<u64, DbErr> {
    let query = execution_context::Entity::find()
        .filter(execution_context::Column::MachineClassId.is_null())
        .filter(execution_context::Column::Announced.is_not_null())
        .order_by_asc(execution_context::Column::Announced)
        .limit(PART);
    let contexts = batch.tx.find(query).await?;
    if contexts.is_empty() {
        return Ok(0);
    }
    let mut rows = Vec::with_capacity(contexts.len());
    let mut keys: Vec<(MachineClass, i64)> = Vec::new();
    for context in &contexts {
        let class = MachineClass::of(context);
        let key = match keys.iter().find(|(other, _)| *other == class) {
            Some((_, key)) => *key,
            None => class.key(&batch.tx).await?,
        };
        rows.push([Some(context.id), Some(key)]);
        keys.push((class, key));
    }
    let sql = format!(
        "UPDATE execution_context SET machine_class_id = part.column2 FROM (VALUES {}) AS part \
         WHERE execution_context.id = part.column1",
        rows_of(rows)
    );
    batch.tx.run(&sql, []).await?;
    Ok(contexts.len() as u64)
}

async fn sessions(batch: &mut Batch<'_>) -> Result<u64, DbErr> {
    let query = session::Entity::find()
        .filter(session::Column::RunId.is_null())
        .filter(session::Column::Announced.is_not_null())
        .order_by_asc(session::Column::Announced)
        .limit(PART);
    let sessions = batch.tx.find(query).await?;
    let ids: Vec<i64> = sessions.iter().map(|session| session.id).collect();
    let machines = runs::machines(&batch.tx, &ids).await?;
    let mut tags = session_tag::by_sessions(&batch.tx, &ids).await?;
    let builds: Vec<i64> = sessions.iter().filter_map(|session| session.build_id).collect();
    let builds = list::by_ids::<build::Entity>(&batch.tx, &builds).await?;
    let (mut arrivals, mut rows, mut moved) = (Vec::new(), Vec::new(), Vec::new());
    for session in &sessions {
        let tags = tags.remove(&session.id).unwrap_or_default();
        let tags: Vec<(String, String)> = tags.into_iter().map(|tag| (tag.name, tag.value)).collect();
        let place = place_of(batch, session, &builds, &tags).await?;
        if let (Some(old), Some(new)) = (session.build_id, place.build_id)
            && old != new
        {
            moved.push((session, old, new));
        }
        let described = (session.scm_ref.as_deref(), session.run_date.unwrap_or_default(), tags.as_slice());
        let machine = machines.get(&session.id).cloned();
        arrivals.push(place.arrival(described, session.metric_count > 0, machine));
        rows.push([Some(session.id), Some(place.project_id), place.branch_id, place.build_id]);
    }
    let keys = runs::join(&batch.tx, &arrivals).await?;
    let rows =
        rows.into_iter().zip(keys).map(|([id, project, branch, build], run)| [id, project, branch, build, Some(run)]);
    if !sessions.is_empty() {
        let sql = format!(
            "UPDATE session SET project_id = part.column2, branch_id = CAST(part.column3 AS BIGINT), \
             build_id = CAST(part.column4 AS BIGINT), run_id = part.column5, machine = {MACHINE_OF_SESSION} \
             FROM (VALUES {}) AS part WHERE session.id = part.column1",
            rows_of(rows)
        );
        batch.tx.run(&sql, []).await?;
        latest_runs::note_of_sessions(&batch.tx, &ids).await?;
    }
    move_counters(batch, &moved).await?;
    Ok(sessions.len() as u64)
}

/// Returns where a session belongs. Without a project it stays in its build, which needs no look-up by name.
async fn place_of(
    batch: &mut Batch<'_>,
    session: &session::Model,
    builds: &HashMap<i64, build::Model>,
    tags: &[(String, String)],
) -> Result<Place, DbErr> {
    if value_of(tags, "project").is_some() {
        return place(batch, None, tags).await;
    }
    let build = session.build_id.and_then(|id| builds.get(&id));
    let project_id = batch.names.projects.key(&batch.tx, Name::of([""])).await?;
    Ok(Place {
        project_id,
        pipeline_id: build.map(|build| build.pipeline_id),
        build_id: session.build_id,
        is_numbered: build.is_some_and(|build| !build.name.is_empty()),
        branch_id: batch.branch(project_id, tags).await?,
    })
}

/// Counts build `$1` again.
const COUNT_BUILD: &str = "INSERT INTO component_build (component_id, build_id, pipeline_id, first_metric_id, metric_count) \
    SELECT session_component.component_id, build.id, build.pipeline_id, MIN(session_component.first_metric_id), \
    CAST(SUM(session_component.metric_count) AS BIGINT) FROM session_component \
    JOIN session ON session.id = session_component.session_id JOIN build ON build.id = session.build_id \
    WHERE build.id = $1 GROUP BY session_component.component_id, build.id, build.pipeline_id";

/// Makes the counters of builds right whose sessions have moved to builds of their projects. What has no session left is removed.
async fn move_counters(batch: &mut Batch<'_>, moved: &[(&session::Model, i64, i64)]) -> Result<(), DbErr> {
    let mut left = BTreeSet::new();
    for (session, old, new) in moved {
        left.insert(*old);
        if session.metric_count > 0 {
            batch.tx.run(statements::JOIN_BUILD, [session.id.into(), (*new).into()]).await?;
        }
    }
    for old in left {
        batch.tx.run("DELETE FROM component_build WHERE build_id = $1", [old.into()]).await?;
        batch.tx.run(COUNT_BUILD, [old.into()]).await?;
        let is_empty = Expr::col("id").eq(old).and(is_childless("build", "build_id", "session"));
        erase(&batch.tx, "build", &["id"], is_empty).await?;
    }
    if !moved.is_empty() {
        erase(&batch.tx, "pipeline", &["id"], is_childless("pipeline", "pipeline_id", "build")).await?;
        // Their keys lead nowhere.
        batch.names.forget();
    }
    Ok(())
}

impl Ingest {
    /// Assigns everything that an older server left, before the port opens.
    ///
    /// # Errors
    /// Those of [`Self::run`].
    pub(crate) async fn assign_older(&self, db: &impl Source) -> Result<(), Error> {
        let left = db.select::<i64, 0>(LEFT, []).await?.pop().unwrap_or_default();
        if left == 0 {
            return Ok(());
        }
        tracing::info!("assigning {left} sessions and contexts of an older version to runs and machine classes");
        while self.run(AssignOlder).await? > 0 {}
        tracing::info!("all sessions and contexts are assigned");
        Ok(())
    }
}
