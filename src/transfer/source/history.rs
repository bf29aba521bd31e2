//! Another database of Metrograph, read in the order in which it was stored.

use std::collections::{BTreeSet, HashMap};

use entity::{
    announced,
    filter::Tree,
    list::{Listable, Order, Position, Slice},
    query::{Query, Store},
    table::{
        execution_context, metric, project, session, session_tag,
        variant::{self, VariantNames},
    },
};
use sea_orm::DbErr;

use super::reading::{Sender, SourceError};
use crate::{
    db::Database,
    ingest::{Defaults, NewContext, NewMetric, NewSession},
    transfer::record::{Parts, Record},
};

/// Rows that are read at a time.
const ROWS: u64 = 5_000;
/// Names that are remembered of one kind.
const MAX_NAMES: usize = 100_000;

/// Reads all of it, as far as `sender` takes it.
pub(super) async fn read(database: Database, name: &str, sender: &Sender) {
    if let Err(error) = read_from(&database.store, sender).await {
        // Without a receiver, nobody wants to know.
        let _ = sender.send(Err(SourceError::Failed(name.to_owned(), error))).await;
    }
    if let Err(error) = database.close().await {
        tracing::warn!(%error, "a source did not close cleanly");
    }
}

async fn read_from(db: &Store, sender: &Sender) -> Result<(), DbErr> {
    let mut parts = Parts::default();
    let mut names = NamedMetrics::default();
    let mut read = 0;
    let mut after = None;
    loop {
        let rows = next::<execution_context::Entity>(db, &mut after).await?;
        if rows.is_empty() {
            break;
        }
        for record in rows.into_iter().filter_map(context_of) {
            parts.add(String::new, Ok(Record::Context(record)));
        }
        if !pass_on(&mut parts, read, sender).await {
            return Ok(());
        }
    }
    let mut after = None;
    loop {
        let rows = next::<session::Entity>(db, &mut after).await?;
        if rows.is_empty() {
            break;
        }
        for record in sessions_of(db, rows).await? {
            parts.add(String::new, Ok(Record::Session(record)));
        }
        if !pass_on(&mut parts, read, sender).await {
            return Ok(());
        }
    }
    let mut after = None;
    loop {
        let rows = next::<metric::Entity>(db, &mut after).await?;
        if rows.is_empty() {
            break;
        }
        read += rows.len() as u64;
        for record in names.of(db, rows).await? {
            parts.add(String::new, Ok(Record::Metric(record)));
        }
        if !pass_on(&mut parts, read, sender).await {
            return Ok(());
        }
    }
    // Without a receiver, nobody wants the rest.
    let _ = sender.send(Ok(parts.rest(read))).await;
    Ok(())
}

/// Passes a full part on. Returns whether more are wanted.
async fn pass_on(parts: &mut Parts, read: u64, sender: &Sender) -> bool {
    match parts.full(read) {
        Some(part) => sender.send(Ok(part)).await.is_ok(),
        None => true,
    }
}

/// Returns the rows after a position, in the order in which they were stored, and moves it.
async fn next<E: Query + Listable>(db: &Store, after: &mut Option<Position>) -> Result<Vec<E::Model>, DbErr>
where
    E::Sort: Default + Copy,
    E::Filter: Default,
{
    let order: Order<E::Sort> = Order::default();
    let slice: Slice<E> =
        Slice { filter: Tree::default(), order, after: *after, before: None, limit: ROWS, from_end: false };
    let rows = E::rows(db, &slice).await?;
    if let Some(last) = rows.last() {
        *after = Some(Position { key: E::sort_key(order.by, last), id: E::id(last) });
    }
    Ok(rows)
}

/// Returns an execution context as it was announced.
pub(crate) fn context_of(row: execution_context::Model) -> Option<NewContext> {
    row.announced?;
    Some(NewContext {
        hash: row.hash,
        cpu_count: row.cpu_count.unwrap_or_default(),
        cpu_frequency: row.cpu_frequency.unwrap_or_default(),
        cpu_type: row.cpu_type.unwrap_or_default(),
        cpu_vendor: row.cpu_vendor,
        ram_total: row.ram_total.unwrap_or_default(),
        machine_node: row.machine_node.unwrap_or_default(),
        machine_type: row.machine_type.unwrap_or_default(),
        machine_arch: row.machine_arch.unwrap_or_default(),
        system_info: row.system_info.unwrap_or_default(),
        python_info: row.python_info.unwrap_or_default(),
    })
}

/// Returns those of these sessions that were announced, as they were. Their projects are given besides the tags.
pub(crate) async fn sessions_of(db: &Store, rows: Vec<session::Model>) -> Result<Vec<NewSession>, DbErr> {
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let mut tags = session_tag::by_sessions(db, &ids).await?;
    let projects: BTreeSet<i64> = rows.iter().filter_map(|row| row.project_id).collect();
    let projects = project::Entity::by_ids(db, &projects.into_iter().collect::<Vec<_>>()).await?;
    let of_row = |row: session::Model| {
        Some(NewSession {
            run_date: row.run_date()?,
            tags: tags.remove(&row.id).unwrap_or_default().into_iter().map(|tag| (tag.name, tag.value)).collect(),
            project: row.project_id.and_then(|id| projects.get(&id)).map(|project| project.name.clone()),
            hash: row.hash,
            scm_ref: row.scm_ref,
            defaults: Some(Defaults::default()),
        })
    };
    Ok(rows.into_iter().filter_map(of_row).collect())
}

/// Turns rows of metrics into metrics with names.
#[derive(Debug, Default)]
pub(crate) struct NamedMetrics {
    variants: HashMap<i64, VariantNames>,
    sessions: HashMap<i64, String>,
    contexts: HashMap<i64, String>,
}

impl NamedMetrics {
    /// Returns these metrics with their names.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn of(&mut self, db: &Store, rows: Vec<metric::Model>) -> Result<Vec<NewMetric>, DbErr> {
        let Self { variants, sessions, contexts } = self;
        let lacking = lacking(variants, rows.iter().map(|row| row.variant_id));
        if !lacking.is_empty() {
            variants.extend(variant::names(db, &lacking).await?);
        }
        let lacking = self::lacking(sessions, rows.iter().map(|row| row.session_id));
        if !lacking.is_empty() {
            sessions.extend(announced::hashes::<session::Entity>(db, &lacking).await?);
        }
        let lacking = self::lacking(contexts, rows.iter().map(|row| row.context_id));
        if !lacking.is_empty() {
            contexts.extend(announced::hashes::<execution_context::Entity>(db, &lacking).await?);
        }
        let of_row = |row: metric::Model| {
            let started_at = row.started_at();
            // What was deleted meanwhile is left out.
            let names = variants.get(&row.variant_id)?;
            Some(NewMetric {
                session_hash: sessions.get(&row.session_id)?.clone(),
                context_hash: contexts.get(&row.context_id)?.clone(),
                started_at,
                component: names.component.clone(),
                item_path: names.path.clone(),
                item: names.item.clone(),
                variant: names.name.clone(),
                location: names.location.clone(),
                kind: names.kind.clone(),
                total_time: row.total_time,
                user_time: row.user_time,
                kernel_time: row.kernel_time,
                cpu_usage: row.cpu_usage,
                memory_usage: row.memory_usage,
                passed: row.passed,
            })
        };
        Ok(rows.into_iter().filter_map(of_row).collect())
    }
}

/// Returns those of `ids` of which nothing is remembered.
fn lacking<T>(names: &mut HashMap<i64, T>, ids: impl Iterator<Item = i64>) -> Vec<i64> {
    let ids: BTreeSet<i64> = ids.collect();
    if names.len() + ids.len() > MAX_NAMES {
        names.clear();
    }
    ids.into_iter().filter(|id| !names.contains_key(id)).collect()
}
