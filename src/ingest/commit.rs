//! The committer: takes what is waiting, stores it in one transaction, then answers all of it.

use std::time::{Duration, Instant};

use entity::{
    driver::{
        executor::{Transaction, Writer},
        history::{Past, Sight, Trail},
        source::Source,
    },
    list, metric_block,
    table::{access_token, execution_context, metric, session, session_tag, tag},
};
use sea_orm::{
    DbErr,
    sea_query::{Expr, ExprTrait as _, Query, Value},
};
use tokio::{
    sync::{mpsc::UnboundedReceiver, oneshot, watch},
    time::MissedTickBehavior,
};

use super::{
    Announced, Latest, NewContext, NewMetric, NewSession, Waiting, Work,
    condition::{Condition, Proof},
    counters,
    fault::{self, Next},
    outcome::{Inserted, Outcome, answer},
    rows, statements,
    words::{Name, Words},
};
use crate::error::{Code, Error};

/// Rows of one transaction, at most: later ones wait for the next.
const MOST_IN_ONE: usize = 10_000;

/// Between two looks at whether the database is where it was opened, and whether something can be stored again, while nothing is.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// Stores until every handle is gone, or `end` comes, and the queue is empty. On SQLite it blocks its thread.
pub(super) async fn run(
    writer: Writer,
    condition: Condition,
    mut queue: UnboundedReceiver<Waiting>,
    tell: watch::Sender<Latest>,
    mut end: oneshot::Receiver<()>,
) {
    let (words, trail, past) = (Words::new(), Trail::default(), Past::Same);
    let mut committer = Committer { writer, words, trail, past, condition };
    let mut looks = tokio::time::interval(BETWEEN_LOOKS);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let first = tokio::select! {
            first = queue.recv() => first,
            _ = looks.tick() => {
                committer.look(&tell).await;
                continue;
            }
            _ = &mut end, if !queue.is_closed() => {
                queue.close();
                continue;
            }
        };
        let Some(first) = first else { break };
        let mut rows = first.work.rows();
        let mut batch = vec![first];
        while rows < MOST_IN_ONE {
            let Ok(next) = queue.try_recv() else { break };
            rows += next.work.rows();
            batch.push(next);
        }
        committer.store(batch, &tell).await;
    }
    if let Err(error) = committer.writer.close().await {
        tracing::warn!(%error, "the database did not close cleanly");
    }
}

struct Committer {
    writer: Writer,
    words: Words,
    /// Leads from one transaction to the next.
    trail: Trail,
    /// What has become of the history, where others have not been told yet.
    past: Past,
    condition: Condition,
}

/// What a transaction has stored.
struct Stored {
    outcomes: Vec<Outcome>,
    latest: Latest,
    /// What the history was found to be, and how far it went before, unless it was the same.
    found: Option<(Past, Sight)>,
}

impl Committer {
    /// Sees whether the database is where it was opened and, after nothing could be stored, whether something could be now.
    async fn look(&mut self, tell: &watch::Sender<Latest>) {
        let looked = match self.writer.check() {
            Ok(()) if !self.condition.is_failing() => return,
            Ok(()) => self.attempt(&[], tell).await.map(drop).map_err(|(_, error)| error),
            Err(error) => Err(error),
        };
        match looked {
            Ok(()) => self.condition.passed(Proof::Tried, Instant::now()),
            Err(error) => self.condition.failed(&error, Instant::now()),
        }
    }

    /// Stores a batch, in parts where it is refused for something that is in it, so that only whose fault it is hears of it.
    async fn store(&mut self, batch: Vec<Waiting>, tell: &watch::Sender<Latest>) {
        let mut parts = vec![batch];
        while let Some(mut part) = parts.pop() {
            match self.attempt(&part, tell).await {
                Ok(outcomes) => {
                    let is_stored = part.iter().any(|waiting| waiting.work.brings_metrics());
                    self.condition.passed(if is_stored { Proof::Stored } else { Proof::Tried }, Instant::now());
                    for (waiting, outcome) in part.into_iter().zip(outcomes) {
                        answer(waiting, Ok(outcome));
                    }
                }
                Err((Next::InParts, _)) if part.len() > 1 => {
                    let later = part.split_off(part.len() / 2);
                    parts.extend([later, part]);
                }
                Err((_, error)) => {
                    self.condition.failed(&error, Instant::now());
                    let error = fault::told(error);
                    for waiting in part {
                        answer(waiting, Err(error.clone()));
                    }
                }
            }
        }
    }

    /// Stores a batch as a whole, or says why not and what is left to try. An empty one needs what others need, but room.
    async fn attempt(
        &mut self,
        batch: &[Waiting],
        tell: &watch::Sender<Latest>,
    ) -> Result<Vec<Outcome>, (Next, DbErr)> {
        let mut tries = 0;
        loop {
            tries += 1;
            let history = tell.borrow().history;
            let error = match self.transact(batch, history).await {
                Ok(Stored { outcomes, latest, found }) => {
                    if let Some((past, sight)) = found {
                        Latest::forget(past, &sight, tell);
                    }
                    latest.tell(tell);
                    return Ok(outcomes);
                }
                Err(error) => error,
            };
            // Keys handed out by a transaction that was rolled back lead nowhere.
            self.words.forget();
            match Next::after(tries, &error) {
                Next::Again(pause) => {
                    tracing::info!(%error, "a transaction is tried again");
                    tokio::time::sleep(pause).await;
                }
                next => return Err((next, error)),
            }
        }
    }

    async fn transact(&mut self, batch: &[Waiting], history: u64) -> Result<Stored, DbErr> {
        let Self { writer, words, trail, past, .. } = self;
        let (tx, now) = writer.resume(trail).await?;
        let is_doubted = batch.iter().any(|waiting| matches!(waiting.work, Work::Doubt(of) if of == history));
        *past = (*past).max(if is_doubted { Past::Another } else { now });
        let found = if *past == Past::Same {
            None
        } else {
            words.forget();
            Some((*past, Sight::of(&tx).await?))
        };
        if batch.is_empty() {
            for sql in statements::nothing() {
                tx.run(&sql, []).await?;
            }
        }
        let mut open = Open { tx, words };
        let mut outcomes = Vec::with_capacity(batch.len());
        // Metrics that follow each other go in together.
        for works in batch.chunk_by(|a, b| a.work.brings_metrics() && b.work.brings_metrics()) {
            match &works[0].work {
                Work::Metrics(..) => open.insert_parts(works, &mut outcomes).await?,
                Work::Session(session, _) => outcomes.push(Outcome::Session(open.announce_session(session).await?)),
                Work::Context(context, _) => outcomes.push(Outcome::Context(open.announce_context(context).await?)),
                Work::TokenUse(token, now) => {
                    access_token::note_use(&open.tx, *token, *now).await?;
                    outcomes.push(Outcome::TokenUse);
                }
                Work::Doubt(_) => outcomes.push(Outcome::Doubt),
            }
        }
        let mut latest = Latest::default();
        for outcome in &outcomes {
            latest.rise(outcome.latest());
        }
        if latest != Latest::default() {
            open.tx.notify(&latest.to_string()).await?;
        }
        open.tx.commit().await?;
        trail.commit();
        *past = Past::Same;
        Ok(Stored { outcomes, latest, found })
    }
}

/// The transaction of one batch.
struct Open<'a> {
    tx: Transaction<'a>,
    words: &'a mut Words,
}

impl Open<'_> {
    async fn insert_parts(&mut self, works: &[Waiting], outcomes: &mut Vec<Outcome>) -> Result<(), DbErr> {
        let metrics: Vec<&NewMetric> = works.iter().flat_map(|waiting| waiting.work.metrics()).collect();
        let mut rows = self.insert_metrics(&metrics).await?.into_iter();
        for waiting in works {
            outcomes.push(Outcome::Metrics(rows.by_ref().take(waiting.work.rows()).collect()));
        }
        Ok(())
    }

    async fn insert_metrics(&mut self, metrics: &[&NewMetric]) -> Result<Vec<Inserted>, DbErr> {
        let Self { tx, words } = self;
        let (sessions, contexts): (Vec<_>, Vec<_>) =
            metrics.iter().map(|m| (Name::of([&m.session_hash]), Name::of([&m.context_hash]))).unzip();
        let sessions = words.sessions.keys(tx, &sessions).await?;
        let contexts = words.contexts.keys(tx, &contexts).await?;
        let components: Vec<_> = metrics.iter().map(|m| Name::of([&m.component])).collect();
        let components = words.components.keys(tx, &components).await?;
        let items = metrics.iter().zip(&components);
        let items: Vec<_> = items.map(|(m, component)| Name::within(*component, [&m.item_path, &m.item])).collect();
        let items = words.items.keys(tx, &items).await?;
        let variants = metrics.iter().zip(&items);
        let variants: Vec<_> =
            variants.map(|(m, item)| Name::within(*item, [&m.variant, &m.location, &m.kind])).collect();
        let variants = words.variants.keys(tx, &variants).await?;

        let first = greatest(tx, "metric", "id").await? + 1;
        let keys = (first..).zip(sessions).zip(contexts.into_iter().zip(variants));
        let rows: Vec<metric::Model> = (metrics.iter().zip(keys))
            .map(|(m, ((id, session_id), (context_id, variant_id)))| metric::Model {
                id,
                session_id,
                context_id,
                variant_id,
                started_at: m.started_at.micros,
                started_at_text: m.started_at.text.clone(),
                total_time: m.total_time,
                user_time: m.user_time,
                kernel_time: m.kernel_time,
                cpu_usage: m.cpu_usage,
                memory_usage: m.memory_usage,
                passed: m.passed,
            })
            .collect();
        rows::insert(tx, &rows).await?;
        let last = rows.last().map_or(first, |row| row.id);
        counters::count(tx, &rows, &components, &mut words.measured).await?;
        for block in metric_block::to_be_counted(&*tx, first, last).await? {
            let (first, last) = (block * metric_block::KEYS + 1, (block + 1) * metric_block::KEYS);
            tx.run(statements::FILL_BLOCK, [first, last, block].map(Value::from)).await?;
        }
        let stored = rows.into_iter().zip(items.into_iter().zip(components));
        Ok(stored.map(|(row, (item_id, component_id))| Inserted { row, item_id, component_id }).collect())
    }

    async fn announce_session(&mut self, new: &NewSession) -> Result<Result<Announced, Error>, DbErr> {
        let Self { tx, words } = self;
        let id = words.sessions.key(tx, Name::of([&new.hash])).await?;
        let stored = read::<session::Entity>(tx, id).await?;
        if stored.announced.is_some() {
            let tags = session_tag::by_sessions(tx, &[id]).await?.remove(&id).unwrap_or_default();
            let is_same = is_same(new, &stored, &tags);
            return Ok(is_same
                .then_some(Announced { row: stored, tags })
                .ok_or_else(|| known_with_another_payload(new)));
        }
        let build_id = build(tx, words, new).await?;
        let announced = greatest(tx, "session", "announced").await? + 1;
        let update = Query::update()
            .table(session::Entity)
            .values([
                (session::Column::Announced, announced.into()),
                (session::Column::RunDate, new.run_date.micros.into()),
                (session::Column::RunDateText, new.run_date.text.clone().into()),
                (session::Column::ScmRef, new.scm_ref.clone().into()),
                (session::Column::BuildId, build_id.into()),
            ])
            .and_where(Expr::col(session::Column::Id).eq(id))
            .take();
        tx.execute(&update).await?;
        let names: Vec<_> = new.tags.iter().map(|(name, value)| Name::of([name, value])).collect();
        let keys = words.tags.keys(tx, &names).await?;
        let placed: Vec<_> =
            (0_i64..).zip(&keys).map(|(position, tag)| [id, position, *tag].map(Value::from)).collect();
        tx.insert("session_tag", ["session_id", "position", "tag_id"], &placed).await?;
        if let (Some(build), true) = (build_id, stored.metric_count > 0) {
            let values = [Value::from(id), Value::from(build)];
            tx.run(statements::JOIN_BUILD, values.clone()).await?;
            tx.run(statements::JOIN_PIPELINE, values).await?;
        }
        let tags = keys.into_iter().zip(&new.tags);
        let tags =
            tags.map(|(id, (name, value))| tag::Model { id, name: name.clone(), value: value.clone() }).collect();
        Ok(Ok(Announced { row: read::<session::Entity>(tx, id).await?, tags }))
    }

    async fn announce_context(&mut self, new: &NewContext) -> Result<execution_context::Model, DbErr> {
        use execution_context::Column;
        let Self { tx, words } = self;
        let id = words.contexts.key(tx, Name::of([&new.hash])).await?;
        let stored = read::<execution_context::Entity>(tx, id).await?;
        if stored.announced.is_some() {
            return Ok(stored);
        }
        let announced = greatest(tx, "execution_context", "announced").await? + 1;
        let update = Query::update()
            .table(execution_context::Entity)
            .values([
                (Column::Announced, announced.into()),
                (Column::CpuCount, new.cpu_count.into()),
                (Column::CpuFrequency, new.cpu_frequency.into()),
                (Column::CpuType, new.cpu_type.as_str().into()),
                (Column::CpuVendor, new.cpu_vendor.clone().into()),
                (Column::RamTotal, new.ram_total.into()),
                (Column::MachineNode, new.machine_node.as_str().into()),
                (Column::MachineType, new.machine_type.as_str().into()),
                (Column::MachineArch, new.machine_arch.as_str().into()),
                (Column::SystemInfo, new.system_info.as_str().into()),
                (Column::PythonInfo, new.python_info.as_str().into()),
            ])
            .and_where(Expr::col(Column::Id).eq(id))
            .take();
        tx.execute(&update).await?;
        read::<execution_context::Entity>(tx, id).await
    }
}

/// The build that the tags name: a pipeline without a build number has the build without a name.
async fn build(tx: &Transaction<'_>, words: &mut Words, session: &NewSession) -> Result<Option<i64>, DbErr> {
    let tag = |name| session.tags.iter().find(|(tag, _)| tag == name).map_or("", |(_, value)| value.as_str());
    let (pipeline, build) = (tag("pipeline_branch"), tag("pipeline_build_no"));
    if pipeline.is_empty() {
        return Ok(None);
    }
    let pipeline = words.pipelines.key(tx, Name::of([pipeline])).await?;
    Ok(Some(words.builds.key(tx, Name::within(pipeline, [build])).await?))
}

/// The greatest value of a counting column, 0 in an empty table.
async fn greatest(db: &impl Source, table: &'static str, column: &'static str) -> Result<i64, DbErr> {
    db.number(&Query::select().expr(Expr::col(column).max()).from(table).take()).await
}

async fn read<E: list::Noun>(tx: &Transaction<'_>, id: i64) -> Result<E::Model, DbErr> {
    let row = list::by_ids::<E>(tx, &[id]).await?.remove(&id);
    row.ok_or_else(|| DbErr::RecordNotFound(format!("row {id}")))
}

fn is_same(new: &NewSession, stored: &session::Model, tags: &[tag::Model]) -> bool {
    let mut stored_tags: Vec<_> = tags.iter().map(|tag| (&tag.name, &tag.value)).collect();
    let mut new_tags: Vec<_> = new.tags.iter().map(|(name, value)| (name, value)).collect();
    stored_tags.sort();
    new_tags.sort();
    stored.run_date().as_ref() == Some(&new.run_date)
        && stored.scm_ref.as_deref().unwrap_or("") == new.scm_ref.as_deref().unwrap_or("")
        && stored_tags == new_tags
}

fn known_with_another_payload(new: &NewSession) -> Error {
    let message = format!("session '{}' is known with another run date, revision or tags: use a new hash", new.hash);
    Error::new(Code::Conflict, message)
}
