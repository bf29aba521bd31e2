//! The index that SQLite uses for lists of metrics. It has no statistics of the history, so statements leave it no choice.

use std::{collections::BTreeSet, sync::Mutex};

use entity::{
    count_cache::CountCache,
    dialect::Engine,
    driver::{executor::Reader, row::FromRow, source::Source},
    edges,
    filter::{Number, Text, Tree},
    list::{self, Order, Position, Slice},
    list_cache::ListCache,
    resource::Resource,
    table::{
        metric::{self, Filter, Sort},
        variant,
    },
    top::{self, Caches, Direction},
};
use sea_orm::{DbErr, Statement};

use crate::support::{self, TestApp};

/// The index by partition and variant.
const BY_PART: &str = "metric_part_variant_id";

/// Records the query plan of each statement.
struct Explained<'a> {
    reader: &'a Reader,
    plans: Mutex<Vec<String>>,
}

impl Source for Explained<'_> {
    fn engine(&self) -> Engine {
        self.reader.engine()
    }

    async fn all_of<T: FromRow>(&self, statement: Statement) -> Result<Vec<T>, DbErr> {
        let explain = Statement { sql: format!("EXPLAIN QUERY PLAN {}", statement.sql), ..statement.clone() };
        let steps = self.reader.all_of::<((i64, i64), (i64, String))>(explain).await?;
        self.plans.lock().unwrap().extend(steps.into_iter().map(|(_, (_, step))| step));
        self.reader.all_of(statement).await
    }
}

impl Explained<'_> {
    /// Asserts that the metrics are read through `index`, and through no other one.
    fn assert_read_through(&self, index: &str, what: &str) {
        let plans = std::mem::take(&mut *self.plans.lock().unwrap());
        let of_metrics = plans.iter().filter(|step| step.contains(" metric ")).flat_map(|step| step.split(' '));
        let taken: BTreeSet<_> = of_metrics.filter(|word| word.starts_with("metric_")).collect();
        assert_eq!(taken, BTreeSet::from([index]), "{what}: {plans:#?}");
        assert!(!plans.iter().any(|step| step.starts_with("SCAN metric")), "{what}: {plans:#?}");
    }
}

/// Conditions in addition to one on variants, which have indexes of their own.
fn residual_filters() -> Vec<(&'static str, Filter)> {
    let is = |text: &str| Some(Text::equals(text));
    let from = Number { gte: Some(5), ..Number::default() };
    let pattern = Text { like: vec!["a%".to_owned()], ..Text::default() };
    let none = Filter::default;
    vec![
        ("nothing", none()),
        ("a context", Filter { context: is("c"), ..none() }),
        ("a context that passed", Filter { context: is("c"), passed: Some(true), ..none() }),
        ("a session by pattern", Filter { session: Some(pattern), passed: Some(true), ..none() }),
        ("a revision", Filter { scm_ref: is("r"), passed: Some(true), ..none() }),
        ("a pipeline", Filter { pipeline: is("p"), ..none() }),
        ("a pipeline that passed", Filter { pipeline: is("p"), passed: Some(true), ..none() }),
        ("a pipeline since a moment", Filter { pipeline: is("p"), started_at: Some(from), ..none() }),
        ("a pipeline and a context", Filter { pipeline: is("p"), context: is("c"), ..none() }),
    ]
}

fn variants() -> Vec<(&'static str, variant::Filter)> {
    let is = |text: &str| Some(Text::equals(text));
    vec![
        ("an item", variant::Filter { item: is("i"), ..variant::Filter::default() }),
        ("a component", variant::Filter { component: is("c"), ..variant::Filter::default() }),
        ("a variant", variant::Filter { name: is("v"), ..variant::Filter::default() }),
    ]
}

fn slice(filter: Tree<Filter>, by: Sort, after: Option<Position>) -> Slice<metric::Entity> {
    Slice { filter, order: Order { by, descending: false }, after, before: None, limit: 50, from_end: false }
}

async fn with_explained(test: impl AsyncFnOnce(&Explained<'_>)) {
    let app = TestApp::start(support::Engine::Sqlite, 500).await.unwrap();
    test(&Explained { reader: app.reader(), plans: Mutex::default() }).await;
    app.finish().await;
}

#[tokio::test]
async fn metrics_by_variant_and_something_else_are_found_by_part() {
    with_explained(async |db| {
        let position = Some(Position { key: 500_000, id: 500_000 });
        for (name, variant) in variants() {
            for (other, filter) in residual_filters() {
                let what = format!("{name} and {other}");
                let filter = Tree::from(Filter { variant: variant.clone(), ..filter });
                list::count::<metric::Entity>(db, &filter).await.unwrap();
                db.assert_read_through(BY_PART, &what);
                for (by, after) in [(Sort::Inserted, None), (Sort::Inserted, position), (Sort::StartedAt, None)] {
                    list::rows(db, &slice(filter.clone(), by, after)).await.unwrap();
                    db.assert_read_through(BY_PART, &format!("{what} by {by:?} after {after:?}"));
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn parts_of_a_filter_on_variants_and_something_else_are_found_by_part() {
    with_explained(async |db| {
        for (name, variant) in variants() {
            for (other, filter) in residual_filters() {
                let of_variant = Tree::from(Filter { variant: variant.clone(), ..Filter::default() });
                let both = Tree { and: vec![of_variant, filter.into()], ..Tree::default() };
                list::count::<metric::Entity>(db, &both).await.unwrap();
                db.assert_read_through(BY_PART, &format!("{name} and, within, {other}"));
            }
        }
    })
    .await;
}

#[tokio::test]
async fn metrics_under_items_are_found_by_part() {
    with_explained(async |db| {
        for edge in [edges::METRICS_OF_VARIANT, edges::METRICS_OF_ITEM, edges::METRICS_OF_COMPONENT] {
            for (other, filter) in residual_filters() {
                for parents in [&[1][..], &[1, 2, 3]] {
                    let what = format!("{} of {parents:?} and {other}", edge.name);
                    list::counts_under(db, edge, parents, &filter.clone().into()).await.unwrap();
                    db.assert_read_through(BY_PART, &what);
                    for by in [Sort::Inserted, Sort::StartedAt] {
                        let slice = slice(filter.clone().into(), by, None);
                        list::rows_under(db, edge, parents, &slice).await.unwrap();
                        db.assert_read_through(BY_PART, &format!("{what} by {by:?}"));
                    }
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn an_edge_from_several_parents_leads_whatever_the_filter() {
    with_explained(async |db| {
        let by_session = "metric_session_id";
        let edges = [
            (edges::METRICS_OF_VARIANT, BY_PART),
            (edges::METRICS_OF_ITEM, BY_PART),
            (edges::METRICS_OF_COMPONENT, BY_PART),
            (edges::METRICS_OF_CONTEXT, "metric_context_id"),
            (edges::METRICS_OF_SESSION, by_session),
            (edges::METRICS_OF_BUILD, by_session),
            (edges::METRICS_OF_PIPELINE, by_session),
        ];
        let of_variant = |(name, variant)| (name, Filter { variant, ..Filter::default() });
        for (edge, index) in edges {
            for (other, filter) in residual_filters().into_iter().chain(variants().into_iter().map(of_variant)) {
                let what = format!("{} and {other}", edge.name);
                list::counts_under(db, edge, &[1, 2, 3], &filter.clone().into()).await.unwrap();
                db.assert_read_through(index, &what);
                for by in [Sort::Inserted, Sort::StartedAt] {
                    list::rows_under(db, edge, &[1, 2, 3], &slice(filter.clone().into(), by, None)).await.unwrap();
                    db.assert_read_through(index, &format!("{what} by {by:?}"));
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn what_one_session_measured_of_a_variant_is_found_by_session() {
    with_explained(async |db| {
        for (name, variant) in variants() {
            let filter = Filter { variant, session: Some(Text::equals("s")), ..Filter::default() };
            list::rows(db, &slice(filter.into(), Sort::Inserted, None)).await.unwrap();
            db.assert_read_through("metric_session_id", name);
        }
    })
    .await;
}

#[tokio::test]
async fn narrow_rankings_of_variants_are_found_by_part() {
    with_explained(async |db| {
        let (lists, counts) = (ListCache::default(), CountCache::default());
        let caches = Caches { lists: &lists, counts: &counts };
        for (name, variant) in variants() {
            let is_narrow = |filter: &Filter| filter.context.is_some() || filter.started_at.is_some();
            for (other, filter) in residual_filters().into_iter().filter(|(_, filter)| is_narrow(filter)) {
                let filter = Filter { variant: variant.clone(), ..filter }.into();
                top::top(db, caches, Resource::TotalTime, Direction::Highest, &filter, 10).await.unwrap();
                db.assert_read_through(BY_PART, &format!("{name} and {other}"));
            }
        }
    })
    .await;
}
