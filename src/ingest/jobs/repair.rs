//! Sets what is kept besides metrics to what these say, part by part. Each part is verified anew in its transaction.

use std::sync::Arc;

use entity::{
    driver::{executor::Transaction, keys},
    history::{Facts, Kept, Stored},
    resource::Resource,
};
use sea_orm::{DbErr, sea_query::Value};
use tokio::sync::Mutex;

use crate::{
    error::Error,
    ingest::{
        batch::Batch,
        derived::{Derived, unreferenced},
        erasing::{Orphans, erase},
        job::Job,
        latest_runs::Touched,
        queue::Ingest,
        runs, statements,
    },
};

/// Rows that one transaction repairs: servers wait for it.
const MAX_ROWS: usize = 1_000;

/// What to repair.
pub(crate) enum Repair {
    /// The row of `history`, whose `last_metric_id` is at least this.
    History(i64),
    /// What is kept of metrics under these keys.
    Kept(Kept, Vec<(i64, i64)>),
    /// What is derived from other tables, but for orphans.
    Derived(Derived),
    /// Rows that nothing refers to.
    Orphans,
}

struct RepairPart {
    facts: Arc<Mutex<Facts>>,
    part: Repair,
}

const REPAIR_HISTORY: &str = "INSERT INTO history (id, version, sealed_until, last_metric_id) \
    SELECT 1, 0, COALESCE(MAX(last_metric_id), 0), CAST($1 AS BIGINT) FROM segment WHERE replaced_at IS NULL \
    ON CONFLICT (id) DO UPDATE SET version = history.version + 1, \
    sealed_until = CASE WHEN excluded.sealed_until > history.sealed_until THEN excluded.sealed_until ELSE history.sealed_until END, \
    last_metric_id = CASE WHEN excluded.last_metric_id > history.last_metric_id THEN excluded.last_metric_id \
    ELSE history.last_metric_id END";

impl Job for RepairPart {
    /// Whether it was repaired; if not, all must be read again.
    type Stored = bool;
    type Answer = bool;

    async fn store(&self, batch: &mut Batch<'_>) -> Result<bool, DbErr> {
        match &self.part {
            Repair::History(last) => batch.tx.run(REPAIR_HISTORY, [(*last).into()]).await?,
            Repair::Kept(kept, keys) => {
                let mut facts = self.facts.lock().await;
                if !facts.bring_up_to_date(&batch.tx).await? {
                    return Ok(false);
                }
                let rows = keys.iter().map(|key| (*key, facts.of_key(*kept, *key)));
                set(&batch.tx, *kept, &rows.collect::<Vec<_>>()).await?;
            }
            Repair::Derived(wrong) => repair_derived(&batch.tx, wrong).await?,
            Repair::Orphans => {
                for Orphans { table, counting, condition } in unreferenced() {
                    erase(&batch.tx, table, counting, condition).await?;
                }
                // Other servers forget the keys that they have of them.
                batch.tx.run(statements::COUNT_DELETIONS, [1_i64.into()]).await?;
                batch.deletions += 1;
                batch.names.forget();
            }
        }
        Ok(true)
    }

    fn answer(self, stored: bool) -> Result<bool, Error> {
        Ok(stored)
    }
}

/// Stores what must be kept under these keys.
async fn set(tx: &Transaction<'_>, kept: Kept, rows: &[((i64, i64), Stored)]) -> Result<(), DbErr> {
    let pairs = |table: &str, other: &str| {
        (
            format!("DELETE FROM {table} WHERE session_id = $1 AND {other} = $2"),
            format!("INSERT INTO {table} (session_id, {other}"),
        )
    };
    match kept {
        Kept::Session | Kept::Context => {
            let table = if kept == Kept::Session { "session" } else { "execution_context" };
            let rows: Vec<[Value; 2]> = rows.iter().map(|((id, _), fact)| [(*id).into(), fact.count.into()]).collect();
            tx.run_each(&format!("UPDATE {table} SET metric_count = $2 WHERE id = $1"), &rows).await
        }
        Kept::Variant => {
            let columns = Resource::ALL
                .iter()
                .zip((3..).step_by(2))
                .map(|(resource, place)| format!(", min_{0} = ${place}, max_{0} = ${1}", resource.column(), place + 1));
            let sql = format!("UPDATE variant SET metric_count = $2{} WHERE id = $1", columns.collect::<String>());
            let row = |((id, _), fact): &((i64, i64), Stored)| {
                let mut values: [Value; 12] = std::array::from_fn(|_| Value::Double(None));
                values[0] = (*id).into();
                values[1] = fact.count.into();
                let extremes = fact
                    .extremes
                    .iter()
                    .flat_map(|extremes| extremes.0)
                    .flat_map(|(least, greatest)| [least, greatest]);
                values[2..].iter_mut().zip(extremes).for_each(|(value, extreme)| *value = extreme.into());
                values
            };
            tx.run_each(&sql, &rows.iter().map(row).collect::<Vec<_>>()).await
        }
        Kept::SessionComponent => {
            let (delete, insert) = pairs("session_component", "component_id");
            let keys: Vec<[Value; 2]> = rows.iter().map(|(key, _)| [key.0.into(), key.1.into()]).collect();
            tx.run_each(&delete, &keys).await?;
            let there = rows.iter().filter(|(_, fact)| fact.count > 0);
            let row = |(key, fact): &((i64, i64), Stored)| [key.0, key.1, fact.first, fact.count].map(Value::from);
            let rows: Vec<[Value; 4]> = there.map(row).collect();
            tx.run_each(&format!("{insert}, first_metric_id, metric_count) VALUES ($1, $2, $3, $4)"), &rows).await
        }
        Kept::SessionContext => {
            let (delete, insert) = pairs("session_context", "context_id");
            let keys: Vec<[Value; 2]> = rows.iter().map(|(key, _)| [key.0.into(), key.1.into()]).collect();
            tx.run_each(&delete, &keys).await?;
            let there = rows.iter().filter(|(_, fact)| fact.count > 0);
            let rows: Vec<[Value; 2]> = there.map(|(key, _)| [key.0.into(), key.1.into()]).collect();
            tx.run_each(&format!("{insert}) VALUES ($1, $2)"), &rows).await
        }
    }
}

async fn repair_derived(tx: &Transaction<'_>, wrong: &Derived) -> Result<(), DbErr> {
    let builds: Vec<[Value; 2]> = wrong.builds.iter().map(|pair| [pair.0.into(), pair.1.into()]).collect();
    tx.run_each(statements::LEAVE_BUILD, &builds).await?;
    tx.run_each(statements::COUNT_COMPONENT_IN_BUILD, &builds).await?;
    if !wrong.runs.is_empty() {
        runs::recount(tx, &wrong.runs, Touched::default()).await?;
    }
    wrong.latest.clone().note(tx).await?;
    for table in &wrong.numbering {
        let greatest = keys::greatest(table, "announced");
        let sql = format!(
            "INSERT INTO deleted_key (name, greatest, row_count) SELECT '{table}.announced', greatest, greatest - counted \
             FROM (SELECT COALESCE(({greatest}), 0) AS greatest, (SELECT COUNT(announced) FROM {table}) AS counted) AS numbers \
             WHERE 1 = 1 ON CONFLICT (name) DO UPDATE SET row_count = excluded.row_count"
        );
        tx.run(&sql, []).await?;
    }
    Ok(())
}

impl Ingest {
    /// Repairs something, part by part. Returns false if all must be read again.
    ///
    /// # Errors
    /// Those of [`Self::run`].
    pub(crate) async fn repair(&self, facts: &Arc<Mutex<Facts>>, repair: Repair) -> Result<bool, Error> {
        let parts = match repair {
            Repair::Kept(kept, keys) => keys.chunks(MAX_ROWS).map(|keys| Repair::Kept(kept, keys.to_vec())).collect(),
            other => vec![other],
        };
        for part in parts {
            if !self.run(RepairPart { facts: Arc::clone(facts), part }).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
