//! Points: what single variants measured in each of their latest runs.
//!
//! Runs are looked up from the latest one back, a window at a time, and only the metrics of these runs are read: of a variant that is
//! in every run, those of the first window. Windows grow, for variants that few runs have.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use analysis::Percentile;
use sea_orm::{
    DbErr, Order,
    sea_query::{Condition, ExprTrait as _, Query, SelectStatement},
};

pub use crate::history::MAX_VALUES;
use crate::{
    column,
    driver::source::Source as _,
    filter::Tree,
    history::{AggregateError, Dimension, ExactSum, KeySet, Measured, Predicate, Scan, measured, resolve},
    query::Store,
    resource::Resource,
    table::{execution_context, metric::Filter, run, session},
};

/// How many runs more than a quarter above those that are asked for the first window has.
const SPARE: u64 = 64;
/// How many times as many runs the next window has.
const GROWTH: u64 = 8;
/// If a filter leaves at most so many sessions, only their runs are looked up.
const FEW: usize = 10_000;

/// What points are asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// Only metrics that match.
    pub filter: Tree<Filter>,
    /// Of which resource.
    pub resource: Resource,
    /// Of so many runs at most, the latest ones: of each variant those that have metrics of it which match.
    pub runs: u64,
    /// Whether the machine classes of a run have points of their own.
    pub by_class: bool,
}

/// What a variant measured in a run, on the machines of one class if these are kept apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// The key of the run.
    pub run: i64,
    /// Its run date, in microseconds.
    pub start: i64,
    /// Its revision.
    pub scm_ref: Option<Arc<str>>,
    /// The key of the machine class: none for contexts that are not announced, or if classes are not kept apart.
    pub machine_class: Option<i64>,
    /// Number of metrics.
    pub count: u64,
    /// The least value.
    pub least: f64,
    /// The median, by linear interpolation.
    pub median: f64,
    /// The sum, correctly rounded, divided by the number.
    pub mean: f64,
    /// The greatest value.
    pub greatest: f64,
    /// Whether several metrics are of one session, so that they need not be of the same test.
    pub is_ambiguous: bool,
}

/// A run by which windows are ordered: its run date and its key.
type Moment = (i64, i64);

/// Some runs, and their sessions.
#[derive(Default)]
struct Window {
    /// The revision of each.
    runs: HashMap<Moment, Option<Arc<str>>>,
    /// The run of each session.
    sessions: HashMap<i64, Moment>,
}

/// Returns the query for the keys of the next runs with metrics, latest first. `among` are the only sessions that matter.
fn next_runs(db: &Store, before: Option<Moment>, among: Option<&[i64]>, limit: u64) -> SelectStatement {
    let (date, id) = (column::of(run::Column::RunDate), column::of(run::Column::Id));
    let before = before.map(|(last, last_id)| {
        let same_date = Condition::all().add(date.clone().eq(last)).add(id.clone().lt(last_id));
        Condition::any().add(date.clone().lt(last)).add(same_date)
    });
    let of_sessions = among.map(|sessions| {
        let runs = Query::select()
            .expr(column::of(session::Column::RunId))
            .from(session::Entity)
            .and_where(db.engine().any_of(column::of(session::Column::Id), sessions))
            .take();
        id.clone().in_subquery(runs)
    });
    Query::select()
        .expr(id.clone())
        .from(run::Entity)
        .and_where(column::of(run::Column::MeasuredCount).gt(0))
        .cond_where(Condition::all().add_option(before).add_option(of_sessions))
        .order_by_expr(date, Order::Desc)
        .order_by_expr(id, Order::Desc)
        .limit(limit)
        .take()
}

/// Reads the window of the next runs, in one statement.
async fn window(db: &Store, runs: SelectStatement) -> Result<Window, DbErr> {
    let (of_session, id) = (column::of(session::Column::RunId), column::of(run::Column::Id));
    let query = Query::select()
        .expr(column::of(run::Column::RunDate))
        .expr(id.clone())
        .expr(column::of(run::Column::ScmRef))
        .expr(column::of(session::Column::Id))
        .from(run::Entity)
        .left_join(session::Entity, id.clone().eq(of_session))
        .and_where(id.in_subquery(runs))
        .take();
    let mut window = Window::default();
    for (date, (run, (scm_ref, session))) in db.all::<(i64, (i64, (Option<String>, Option<i64>)))>(&query).await? {
        window.runs.entry((date, run)).or_insert_with(|| scm_ref.map(Into::into));
        window.sessions.extend(session.map(|session| (session, (date, run))));
    }
    Ok(window)
}

/// Adds the machine classes of the contexts of these values to `classes`.
async fn add_classes(db: &Store, values: &[Measured], classes: &mut HashMap<i64, Option<i64>>) -> Result<(), DbErr> {
    let contexts = values.iter().map(|value| value.context).filter(|context| !classes.contains_key(context));
    let contexts: Vec<i64> = contexts.collect::<BTreeSet<i64>>().into_iter().collect();
    if contexts.is_empty() {
        return Ok(());
    }
    let id = column::of(execution_context::Column::Id);
    let query = Query::select()
        .expr(id.clone())
        .expr(column::of(execution_context::Column::MachineClassId))
        .from(execution_context::Entity)
        .and_where(db.engine().any_of(id, &contexts))
        .take();
    classes.extend(db.all::<(i64, Option<i64>)>(&query).await?);
    Ok(())
}

/// A value of a variant, with what its point is of.
struct Placed {
    moment: Moment,
    /// The machine class; those without come last.
    class: (bool, i64),
    session: i64,
    value: f64,
}

/// Returns the points of each of `variants`, from the earliest run to the latest; those without are absent.
///
/// # Errors
/// If the runs have too many metrics of the variants, or the database fails.
pub async fn points(
    db: &Store,
    variants: &[i64],
    question: &Question,
) -> Result<HashMap<i64, Vec<Point>>, AggregateError> {
    let Question { filter, resource, runs, by_class } = question;
    let scan = Scan::begin(db, &db.history).await?;
    let predicate = resolve(db, filter).await?;
    let mut placed: BTreeMap<i64, Vec<Placed>> = BTreeMap::new();
    let (mut scm_refs, mut classes) = (HashMap::new(), HashMap::new());
    if *runs == 0 || predicate == Predicate::Is(false) {
        return Ok(HashMap::new());
    }
    let few = predicate.required(Dimension::Session).filter(|sessions| sessions.len() <= FEW);
    let few: Option<Vec<i64>> = few.map(|sessions| sessions.iter().collect());
    let mut left: Arc<KeySet> = Arc::new(variants.iter().copied().collect());
    let mut seen: HashSet<i64> = HashSet::new();
    let (mut before, mut limit) = (None, runs + runs / 4 + SPARE);
    while left.len() > 0 {
        let mut window = window(db, next_runs(db, before, few.as_deref(), limit)).await?;
        let (count, last) = (window.runs.len() as u64, window.runs.keys().min().copied());
        // Runs may have moved since the window before.
        window.sessions.retain(|session, _| seen.insert(*session));
        let sessions: KeySet = window.sessions.keys().copied().collect();
        let within = Predicate::all([Predicate::Among(Dimension::Session, Arc::new(sessions)), predicate.clone()]);
        let values = measured(&scan, within, &left, *resource, db.history.budget()).await?;
        if *by_class {
            add_classes(db, &values, &mut classes).await?;
        }
        for Measured { variant, session, context, value } in values {
            let Some(moment) = window.sessions.get(&session) else { continue };
            let class = classes.get(&context).copied().flatten();
            let class = (class.is_none(), class.unwrap_or_default());
            placed.entry(variant).or_default().push(Placed { moment: *moment, class, session, value });
        }
        scm_refs.extend(window.runs);
        if count < limit {
            break;
        }
        let is_short = |variant: &i64| placed.get(variant).is_none_or(|values| runs_of(values) < *runs);
        left = Arc::new(left.iter().filter(is_short).collect());
        (before, limit) = (last, limit.saturating_mul(GROWTH));
    }
    let of_variant = |(variant, values)| (variant, points_of(values, *runs, &scm_refs));
    Ok(placed.into_iter().map(of_variant).collect())
}

/// Returns the number of runs that have one of these values.
fn runs_of(values: &[Placed]) -> u64 {
    values.iter().map(|value| value.moment).collect::<HashSet<Moment>>().len() as u64
}

/// Returns the points of the latest `runs`, from the earliest one on.
fn points_of(mut values: Vec<Placed>, runs: u64, scm_refs: &HashMap<Moment, Option<Arc<str>>>) -> Vec<Point> {
    let place = |value: &Placed| (value.moment, value.class);
    values.sort_unstable_by(|a, b| place(a).cmp(&place(b)).then(a.value.total_cmp(&b.value)));
    let starts = values.chunk_by(|a, b| a.moment == b.moment).map(<[Placed]>::len);
    let skipped = starts.clone().count().saturating_sub(usize::try_from(runs).unwrap_or(usize::MAX));
    let first = starts.take(skipped).sum();
    let point = |values: &[Placed]| {
        let (start, run) = values[0].moment;
        let (is_unclassed, class) = values[0].class;
        let sessions: HashSet<i64> = values.iter().map(|value| value.session).collect();
        let count = values.len() as u64;
        let (least, greatest) = (values[0].value, values[values.len() - 1].value);
        let (median, mean) = centre(values);
        Point {
            run,
            start,
            scm_ref: scm_refs.get(&(start, run)).cloned().flatten(),
            machine_class: (!is_unclassed).then_some(class),
            count,
            least,
            median,
            mean,
            greatest,
            is_ambiguous: sessions.len() < values.len(),
        }
    };
    values[first..].chunk_by(|a, b| place(a) == place(b)).map(point).collect()
}

/// Returns the median and the mean of sorted values, of which there is at least one.
#[allow(clippy::cast_precision_loss, reason = "exact up to 2^53 values")]
fn centre(values: &[Placed]) -> (f64, f64) {
    let count = values.len() as u64;
    let percentile = Percentile::of(0.5, count);
    let at = |position: u64| usize::try_from(position).ok().and_then(|position| values.get(position));
    let at = |position: u64| at(position).map_or(f64::NAN, |value| value.value);
    let (low, high) = (at(percentile.position), at(percentile.positions().last().unwrap_or_default()));
    let median = percentile.between(low, high);
    // Their difference may be more than a number can hold.
    let median = if median.is_finite() { median } else { f64::midpoint(low, high) };
    let mut sum = ExactSum::default();
    for value in values {
        sum.add(value.value);
    }
    (median, sum.value() / count as f64)
}
