//! Statistics by group and single values, held against what the metrics themselves give.

use std::collections::{BTreeMap, BTreeSet};

use entity::{
    filter::Tree,
    query::groups::{
        Dimension, Group, GroupBy, OrderBy, Question, Selected, Thing, TimeBucket, WantedStatistics, groups, values,
    },
    resource::Resource,
    table::metric::Filter,
};
use metrograph::config::SegmentSizes;
use serde_json::{Value, json};

use crate::support::{Engine, TestApp, builders::graphql::metric};

const RECORD: &str = "mutation($m: [MetricInput!]!) { recordMetrics(input: {metrics: $m}) { metrics { id } } }";
const DAY: i64 = 86_400_000_000;
/// The microseconds of 2026-01-05T00:00:00.
const MONDAY: i64 = 1_767_571_200_000_000;
const COMPONENTS: [&str; 3] = ["core", "net", ""];

/// What a test measured, by its number.
struct Measured {
    component: i64,
    variant: i64,
    started_at: i64,
    total_time: f64,
    passed: bool,
}

/// Returns the metric with a number. Its figures have no grain, so that sums are rounded.
fn measured(number: u32) -> Measured {
    let chance = number.wrapping_mul(2_654_435_761) >> 16;
    let variant = i64::from(chance % 7);
    Measured {
        component: variant % 3,
        variant,
        started_at: MONDAY + i64::from(number / 40) * DAY + i64::from(chance % 80_000) * 1_000_000,
        total_time: f64::from(chance % 1_000) * 0.1 + f64::from(number % 3) * 1e-9,
        passed: chance.is_multiple_of(2),
    }
}

fn input(Measured { component, variant, started_at, total_time, passed }: &Measured) -> Value {
    let time = entity::time::canonical(*started_at);
    metric(json!({
        "componentName": COMPONENTS[usize::try_from(*component).unwrap()], "variantName": format!("test[{variant}]"), "startedAt": time,
        "totalTime": total_time, "passed": passed,
    }))
}

/// Returns count, sum and percentiles of values, as Python's `math.fsum` and `numpy.percentile` do.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "few values")]
fn expected(values: &mut [f64], percentiles: &[f64]) -> (u64, f64, Vec<f64>) {
    values.sort_by(f64::total_cmp);
    let last = values.len() - 1;
    let percentile = |p: &f64| {
        let at = last as f64 * p;
        let (value, next) = (values[at.floor() as usize], values[at.ceil() as usize]);
        let part = at - at.floor();
        if part >= 0.5 { next - (next - value) * (1.0 - part) } else { value + (next - value) * part }
    };
    (values.len() as u64, exact_sum(values), percentiles.iter().map(percentile).collect())
}

/// Returns the sum, rounded once: the values are scaled to integers that hold all of their bits.
#[allow(clippy::cast_precision_loss, reason = "rounded once")]
fn exact_sum(values: &[f64]) -> f64 {
    const SCALE: i32 = 90;
    let scaled = |value: &f64| {
        if *value == 0.0 {
            return 0;
        }
        let bits = value.to_bits();
        let exponent = i32::try_from(bits >> 52 & 0x7ff).unwrap();
        let mantissa = i128::from(bits & ((1 << 52) - 1) | u64::from(exponent > 0) << 52);
        let shift = exponent.max(1) - 1075 + SCALE;
        if shift >= 0 { mantissa << shift } else { mantissa >> -shift }
    };
    let sum: i128 = values.iter().map(scaled).sum();
    // Rounds to nearest, ties to even, as the conversion of an integer does.
    sum as f64 / f64::from(2).powi(SCALE)
}

/// Records metrics until some of them are sealed and some are not.
async fn record(app: &TestApp, numbers: std::ops::Range<u32>) {
    for first in numbers.clone().step_by(100) {
        let metrics: Vec<Value> =
            (first..numbers.end.min(first + 100)).map(|number| input(&measured(number))).collect();
        app.run(RECORD, json!({ "m": metrics })).await;
    }
}

/// Returns the groups of metrics by the total time.
async fn found(app: &TestApp, filter: &Tree<Filter>, by: &[GroupBy], percentiles: &[f64]) -> Vec<Group> {
    let wanted = WantedStatistics { percentiles: percentiles.to_vec(), ..WantedStatistics::default() };
    let question = Question {
        filter: filter.clone(),
        by: by.to_vec(),
        order: OrderBy::Count,
        descending: false,
        after: None,
        limit: usize::MAX,
        until_share: None,
        wanted: Selected { resources: vec![(Resource::TotalTime, wanted, false)], ..Selected::default() },
    };
    groups(app.store(), &question).await.unwrap().groups
}

async fn check(
    app: &TestApp,
    count: u32,
    percentiles: &[f64],
    filter: &Tree<Filter>,
    is_wanted: fn(&Measured) -> bool,
) {
    const VARIANT: GroupBy = GroupBy::By(Dimension::Variant);
    const COMPONENT: GroupBy = GroupBy::By(Dimension::Component);
    const DAYS: GroupBy = GroupBy::Time(TimeBucket::Day);
    let store = app.store();
    let all: Vec<Measured> = (0..count).map(measured).filter(is_wanted).collect();
    let day = |measured: &Measured| measured.started_at.div_euclid(DAY) * DAY;
    for by in [&[][..], &[VARIANT], &[COMPONENT], &[DAYS], &[COMPONENT, DAYS]] {
        let mut wanted: BTreeMap<Vec<i64>, Vec<f64>> = BTreeMap::new();
        for measured in &all {
            let key = by.iter().map(|by| match by {
                GroupBy::By(Dimension::Variant) => measured.variant,
                GroupBy::By(_) => measured.component,
                _ => day(measured),
            });
            wanted.entry(key.collect()).or_default().push(measured.total_time);
        }
        let found = found(app, filter, by, percentiles).await;
        // A day is its own key.
        let days = |groups: &[Vec<i64>]| groups.iter().filter_map(|keys| keys.last().copied()).collect::<BTreeSet<_>>();
        if by.contains(&DAYS) {
            let since = |thing: &Thing| if let Thing::Since(since) = thing { *since } else { 0 };
            let found: Vec<Vec<i64>> = found.iter().map(|group| group.things.iter().map(since).collect()).collect();
            assert_eq!(days(&found), days(&wanted.keys().cloned().collect::<Vec<_>>()), "{by:?}, {count} metrics");
        }
        let mut wanted: Vec<_> = wanted.into_values().map(|mut values| expected(&mut values, percentiles)).collect();
        let as_expected = |Group { count, statistics, .. }: Group| {
            assert_eq!(statistics[0].count, count);
            (count, statistics[0].sum, statistics[0].percentiles.clone())
        };
        let mut found: Vec<_> = found.into_iter().map(as_expected).collect();
        // The keys of variants and components are not theirs here, so only what is in the groups is compared.
        for groups in [&mut wanted, &mut found] {
            groups.sort_by(|one, other| one.partial_cmp(other).unwrap());
        }
        assert_eq!(found, wanted, "{by:?}, {count} metrics");
    }
    let found = values(store, filter, Resource::TotalTime).await.unwrap();
    let mut wanted: Vec<(i64, f64)> = all.iter().map(|measured| (measured.started_at, measured.total_time)).collect();
    wanted.sort_by_key(|(started_at, _)| *started_at);
    assert_eq!(
        found.iter().map(|value| (value.started_at, value.value)).collect::<Vec<_>>(),
        wanted,
        "{count} metrics"
    );
}

async fn on(engine: Engine) {
    let app = TestApp::with(engine, |settings| settings.storage.segments = SegmentSizes { page: 4, segment: 32 }).await;
    let Some(app) = app else { return };
    let everything = Tree::from(Filter::default());
    let percentiles = [0.0, 0.25, 0.5, 0.95, 1.0];
    check(&app, 0, &percentiles, &everything, |_| true).await;
    let passed: Tree<Filter> = Filter { passed: Some(true), ..Filter::default() }.into();
    for (from, to) in [(0, 1), (1, 60), (60, 700)] {
        record(&app, from..to).await;
        check(&app, to, &percentiles, &everything, |_| true).await;
        check(&app, to, &percentiles, &passed, |measured| measured.passed).await;
    }
    // So many pages that a sample of them is read first.
    record(&app, 700..4_400).await;
    for percentile in [0.5, 0.95] {
        check(&app, 4_400, &[percentile], &everything, |_| true).await;
        check(&app, 4_400, &[percentile], &passed, |measured| measured.passed).await;
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_those_of_their_metrics_on_sqlite() {
    Box::pin(on(Engine::Sqlite)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_those_of_their_metrics_on_postgres() {
    Box::pin(on(Engine::Postgres)).await;
}
