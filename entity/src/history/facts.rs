//! Facts: what the counters must be, by the metrics themselves.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{DbErr, QueryOrder as _, entity::prelude::*};

use crate::{
    driver::source::Source,
    history::{extremes::Extremes, snapshot::State},
    table::metric::{self, Model},
};

/// The greatest key for which there is memory.
const MAX_KEY: i64 = 100_000_000;

const SELECT_STATE: &str = "SELECT deletions, sealed_until FROM history";
const SELECT_GREATEST: &str = "SELECT CAST(COALESCE((SELECT MAX(id) FROM session), 0) AS BIGINT), \
    CAST(COALESCE((SELECT MAX(id) FROM execution_context), 0) AS BIGINT), \
    CAST(COALESCE((SELECT MAX(id) FROM variant), 0) AS BIGINT)";
const SELECT_COMPONENTS: &str = "SELECT variant.id, item.component_id FROM variant JOIN item ON item.id = variant.item_id \
    WHERE variant.id > $1 ORDER BY variant.id LIMIT 10000";

/// What is kept of metrics besides them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Of a session: the number of its metrics.
    Session,
    /// Of an execution context: the number of metrics in it.
    Context,
    /// Of a variant: the number of its metrics, and its extremes.
    Variant,
    /// Of a component in a session: its first metric, and how many there are.
    SessionComponent,
    /// That a session measured something in a context.
    SessionContext,
}

impl Kept {
    /// All of it.
    pub const ALL: [Self; 5] =
        [Self::Session, Self::Context, Self::Variant, Self::SessionComponent, Self::SessionContext];
}

/// The values of a counter: those that are stored, or must be.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Stored {
    /// The number of metrics; 1 where only their being there counts.
    pub count: i64,
    /// The key of the first one; 0 where it is not kept.
    pub first: i64,
    /// The extremes; `None` where they are not kept, or there are no metrics.
    pub extremes: Option<Extremes>,
}

/// What the metrics up to a key say. Tables that are larger than memory are not held: a number or two for each key, and each pair of
/// session and component, or context.
#[derive(Debug, Default)]
pub struct Facts {
    /// How many sessions were deleted when this was read.
    pub(crate) deletions: i64,
    /// The key up to which it was read.
    pub(crate) last_key: i64,
    /// The greatest key of a metric.
    greatest: i64,
    metrics: u64,
    sessions: Vec<i64>,
    contexts: Vec<i64>,
    variants: Vec<(i64, Option<Extremes>)>,
    /// By variant; 0 where there is none.
    components: Vec<i64>,
    by_component: BTreeMap<(i64, i64), (i64, i64)>,
    by_context: BTreeSet<(i64, i64)>,
    /// The numbers of metrics of what can't be there, by table and key.
    strays: BTreeMap<(&'static str, i64), u64>,
}

/// Returns the place of a key in an array of this length.
fn place(key: i64, length: usize) -> Option<usize> {
    usize::try_from(key).ok().filter(|place| *place > 0 && *place < length)
}

impl Facts {
    /// Makes those of a snapshot with this state, none of whose metrics has been added. The tables are read after it.
    ///
    /// # Errors
    /// If the database fails, or a key is too great.
    pub(crate) async fn of(db: &impl Source, state: State) -> Result<Self, DbErr> {
        let mut facts = Self { deletions: state.deletions, last_key: state.last_key, ..Self::default() };
        facts.grow(db).await?;
        Ok(facts)
    }

    /// Makes place for what was stored since.
    async fn grow(&mut self, db: &impl Source) -> Result<(), DbErr> {
        let greatest = db.select::<(i64, (i64, i64)), 0>(SELECT_GREATEST, []).await?.pop().unwrap_or_default();
        let (session, (context, variant)) = greatest;
        if let Some(key) = [session, context, variant].into_iter().find(|key| *key > MAX_KEY) {
            return Err(DbErr::Custom(format!("the key {key} is greater than any that is assigned")));
        }
        let length = |key: i64| usize::try_from(key).unwrap_or_default() + 1;
        self.sessions.resize(length(session).max(self.sessions.len()), 0);
        self.contexts.resize(length(context).max(self.contexts.len()), 0);
        let mut last = i64::try_from(self.variants.len()).unwrap_or(i64::MAX).saturating_sub(1).max(0);
        self.variants.resize(length(variant).max(self.variants.len()), (0, None));
        self.components.resize(self.variants.len(), 0);
        loop {
            let rows: Vec<(i64, i64)> = db.select(SELECT_COMPONENTS, [last.into()]).await?;
            let Some((greatest, _)) = rows.last() else { return Ok(()) };
            last = *greatest;
            for (variant, component) in rows {
                if let Some(place) = place(variant, self.components.len()) {
                    self.components[place] = component;
                }
            }
        }
    }

    /// Adds metrics.
    pub(crate) fn add(&mut self, metrics: &[Model]) {
        // Metrics of a session mostly follow each other, and those of a component.
        let mut pair: Option<((i64, i64), (i64, i64))> = None;
        let mut context = None;
        for metric in metrics {
            self.metrics += 1;
            self.greatest = self.greatest.max(metric.id);
            self.count("session", metric.session_id);
            self.count("execution_context", metric.context_id);
            let Some(place) = place(metric.variant_id, self.variants.len()) else {
                *self.strays.entry(("variant", metric.variant_id)).or_default() += 1;
                continue;
            };
            let (count, extremes) = &mut self.variants[place];
            let of_metric = Extremes::of(metric);
            (*count, *extremes) = (*count + 1, Some(extremes.map_or(of_metric, |before| before.with(of_metric))));
            if context != Some((metric.session_id, metric.context_id)) {
                context = Some((metric.session_id, metric.context_id));
                self.by_context.insert((metric.session_id, metric.context_id));
            }
            let key = (metric.session_id, self.components[place]);
            match &mut pair {
                Some((same, (first, count))) if *same == key => (*first, *count) = (metric.id.min(*first), *count + 1),
                other => {
                    if let Some(before) = other.replace((key, (metric.id, 1))) {
                        self.add_pair(before);
                    }
                }
            }
        }
        if let Some(last) = pair {
            self.add_pair(last);
        }
    }

    fn count(&mut self, table: &'static str, key: i64) {
        let counts = if table == "session" { &mut self.sessions } else { &mut self.contexts };
        match place(key, counts.len()) {
            Some(place) => counts[place] += 1,
            None => *self.strays.entry((table, key)).or_default() += 1,
        }
    }

    fn add_pair(&mut self, (key, (first, count)): ((i64, i64), (i64, i64))) {
        let of_pair = self.by_component.entry(key).or_insert((first, 0));
        *of_pair = (of_pair.0.min(first), of_pair.1 + count);
    }

    /// Adds metrics that were stored since, up to `last_key`. They follow those that were added, in the order of their keys.
    ///
    /// # Errors
    /// If the database fails.
    pub(crate) async fn advance(&mut self, db: &impl Source, new: &[Model], last_key: i64) -> Result<(), DbErr> {
        self.grow(db).await?;
        let until = new.partition_point(|metric| metric.id <= last_key);
        self.add(&new[..until]);
        self.last_key = self.last_key.max(last_key);
        Ok(())
    }

    /// Adds what was stored since, in the transaction that repairs. Returns false if all must be read again.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn bring_up_to_date(&mut self, tx: &impl Source) -> Result<bool, DbErr> {
        let (deletions, sealed_until) = tx.select::<(i64, i64), 0>(SELECT_STATE, []).await?.pop().unwrap_or_default();
        if deletions != self.deletions || sealed_until > self.last_key {
            return Ok(false);
        }
        let new = metric::Entity::find().filter(metric::Column::Id.gt(self.last_key));
        let new = tx.find(new.order_by_asc(metric::Column::Id)).await?;
        let last = new.last().map_or(self.last_key, |metric| metric.id);
        self.advance(tx, &new, last).await?;
        Ok(true)
    }

    /// Returns the number of metrics.
    pub fn metrics(&self) -> u64 {
        self.metrics
    }

    /// Returns the greatest key of a metric; 0 without any.
    pub fn greatest(&self) -> i64 {
        self.greatest
    }

    /// Returns the numbers of metrics of what can't be there, by table and key.
    pub(crate) fn strays(&self) -> impl Iterator<Item = (&'static str, i64, u64)> {
        self.strays.iter().map(|((table, key), count)| (*table, *key, *count))
    }

    /// Returns what must be kept under a key.
    pub fn of_key(&self, kept: Kept, key: (i64, i64)) -> Stored {
        let counted = |counts: &[i64]| place(key.0, counts.len()).map_or(0, |place| counts[place]);
        match kept {
            Kept::Session => Stored { count: counted(&self.sessions), ..Stored::default() },
            Kept::Context => Stored { count: counted(&self.contexts), ..Stored::default() },
            Kept::Variant => {
                let of_variant = place(key.0, self.variants.len()).map(|place| self.variants[place]);
                let (count, extremes) = of_variant.unwrap_or_default();
                Stored { count, first: 0, extremes }
            }
            Kept::SessionComponent => {
                let (first, count) = self.by_component.get(&key).copied().unwrap_or_default();
                Stored { count, first, extremes: None }
            }
            Kept::SessionContext => Stored { count: self.by_context.contains(&key).into(), ..Stored::default() },
        }
    }

    /// Returns the keys after `after`, up to `until`, under which there must be something; without `until`, all after it.
    pub(crate) fn keys(&self, kept: Kept, after: (i64, i64), until: Option<(i64, i64)>) -> Vec<(i64, i64)> {
        use std::ops::Bound::{Excluded, Included, Unbounded};

        let range = (Excluded(after), until.map_or(Unbounded, Included));
        let dense = |length: usize, is_there: &dyn Fn(usize) -> bool| {
            let first = usize::try_from(after.0).map_or(0, |key| key.saturating_add(1));
            let last = until.map_or(length, |(key, _)| usize::try_from(key).map_or(0, |key| key.saturating_add(1)));
            let keys = (first..last.min(length)).filter(|place| is_there(*place));
            keys.map(|place| (i64::try_from(place).unwrap_or(i64::MAX), 0)).collect()
        };
        match kept {
            Kept::Session => dense(self.sessions.len(), &|place| self.sessions[place] > 0),
            Kept::Context => dense(self.contexts.len(), &|place| self.contexts[place] > 0),
            Kept::Variant => dense(self.variants.len(), &|place| self.variants[place].0 > 0),
            Kept::SessionComponent | Kept::SessionContext if until.is_some_and(|until| after >= until) => Vec::new(),
            Kept::SessionComponent => self.by_component.range(range).map(|(key, _)| *key).collect(),
            Kept::SessionContext => self.by_context.range(range).copied().collect(),
        }
    }
}
