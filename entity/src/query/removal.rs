//! What deleting sessions takes from the history.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use sea_orm::{
    QueryOrder as _,
    entity::prelude::*,
    sea_query::{Expr, Query},
};

use crate::{
    driver::source::Source,
    history::{Dimension, Extremes, Predicate, Scan, ScanOrder, Wanted, extremes},
    list,
    query::Store,
    resource::Resource,
    table::{
        metric::{self, Model},
        variant,
    },
};

const SELECT_STATE: &str = "SELECT deletions, sealed_until FROM history";

/// What deleting sessions takes away.
#[derive(Debug)]
pub struct Removal {
    /// Their keys.
    pub sessions: Vec<i64>,
    /// Their metrics, in order of insertion.
    pub metrics: Vec<Model>,
    /// The variants that have an extreme value in them, with the extremes of their other metrics; `None` without any.
    pub extremes: HashMap<i64, Option<Extremes>>,
    /// How many sessions had been deleted when this was read.
    deletions: i64,
    /// The greatest key of metrics at that time.
    last_key: i64,
}

impl Removal {
    /// Reads what deleting the sessions with these keys takes away.
    ///
    /// # Errors
    /// If the database fails, or a page is damaged.
    pub async fn of(db: &Store, sessions: Vec<i64>) -> Result<Self, DbErr> {
        let scan = Scan::begin(db, &db.history).await?;
        let state = scan.snapshot.state;
        let of_sessions = Predicate::Among(Dimension::Session, Arc::new(sessions.iter().copied().collect()));
        let wanted =
            Wanted { order: ScanOrder::INSERTED, after: None, before: None, limit: usize::MAX, distinct: None };
        let metrics = scan.list(&of_sessions, &wanted).await?;
        let mut removed: HashMap<i64, Extremes> = HashMap::new();
        for metric in &metrics {
            Extremes::of(metric).add(&mut removed, metric.variant_id);
        }
        // Read after the metrics: what came meanwhile only widens them.
        let ids: Vec<i64> = removed.keys().copied().collect();
        let variants = list::by_ids::<variant::Entity>(db, &ids).await?;
        let is_touched = |id: &i64, removed: &Extremes| {
            variants.get(id).and_then(of_variant).is_none_or(|of_all| removed.touches(&of_all))
        };
        let touched = removed.iter().filter(|(id, removed)| is_touched(id, removed)).map(|(id, _)| *id);
        let touched: BTreeSet<i64> = touched.collect();
        let of_touched = Predicate::Among(Dimension::Variant, Arc::new(touched.iter().copied().collect()));
        let mut rest = if touched.is_empty() {
            HashMap::new()
        } else {
            extremes(&scan, Predicate::all([of_touched, of_sessions.not()])).await?
        };
        let extremes = touched.into_iter().map(|variant| (variant, rest.remove(&variant))).collect();
        Ok(Self { sessions, metrics, extremes, deletions: state.deletions, last_key: state.last_key })
    }

    /// Adds what was stored since, in the transaction that deletes. `None` if it must be read again.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn brought_up_to_date(&self, tx: &impl Source) -> Result<Option<Self>, DbErr> {
        let (deletions, sealed_until) = tx.select::<(i64, i64), 0>(SELECT_STATE, []).await?.pop().unwrap_or_default();
        if deletions != self.deletions || sealed_until > self.last_key {
            return Ok(None);
        }
        let (mut metrics, mut extremes) = (self.metrics.clone(), self.extremes.clone());
        let new = metric::Entity::find().filter(metric::Column::Id.gt(self.last_key));
        for metric in tx.find(new.order_by_asc(metric::Column::Id)).await? {
            let of_variant = extremes.get_mut(&metric.variant_id);
            if self.sessions.contains(&metric.session_id) {
                if of_variant.is_none() {
                    return Ok(None);
                }
                metrics.push(metric);
            } else if let Some(rest) = of_variant {
                let of_metric = Extremes::of(&metric);
                *rest = Some(rest.map_or(of_metric, |rest| rest.with(of_metric)));
            }
        }
        // The history may have been replaced by another one.
        let of_sessions = tx.engine().any_of(Expr::col("id"), &self.sessions);
        let counted = Query::select().column("metric_count").from("session").and_where(of_sessions).take();
        if tx.all::<i64>(&counted).await?.iter().sum::<i64>().unsigned_abs() != metrics.len() as u64 {
            return Ok(None);
        }
        let (sessions, last_key) = (self.sessions.clone(), self.last_key);
        Ok(Some(Self { sessions, metrics, extremes, deletions, last_key }))
    }
}

/// Returns the extremes that are stored of a variant; `None` if it has no metrics.
fn of_variant(row: &variant::Model) -> Option<Extremes> {
    let of = |resource| match resource {
        Resource::TotalTime => (row.min_total_time, row.max_total_time),
        Resource::UserTime => (row.min_user_time, row.max_user_time),
        Resource::KernelTime => (row.min_kernel_time, row.max_kernel_time),
        Resource::CpuUsage => (row.min_cpu_usage, row.max_cpu_usage),
        Resource::MemoryUsage => (row.min_memory_usage, row.max_memory_usage),
    };
    let mut extremes = [(0.0, 0.0); 5];
    for (place, (least, greatest)) in extremes.iter_mut().zip(Resource::ALL.map(of)) {
        *place = (least?, greatest?);
    }
    Some(Extremes(extremes))
}
