//! Property tests of segments and conditions on them.

use std::sync::Arc;

use proptest::prelude::*;

use crate::{
    filter::Number,
    history::{
        column::Dimension,
        columns::Columns,
        directory::Directory,
        mask::Mask,
        part::Part,
        predicate::Predicate,
        segment::{Blob, OpenColumn, OpenSegment, Sealed, seal},
    },
    resource::Resource,
    table::metric::Model,
};

/// Values as the plugin sends them, and others.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        (-40..4000_i32).prop_map(|hundredths| f64::from(hundredths) / 100.0),
        (0..1_000_000_u32).prop_map(|ticks| f64::from(ticks) / 4_194_304.0),
        -1e300..1e300_f64,
    ]
}

prop_compose! {
    fn metric()(
        gap in prop_oneof![9 => Just(1_i64), 1 => 2..9_i64],
        ids in (1..5_i64, 1..4_i64, 1..30_i64),
        started_at in prop_oneof![9 => 0..1_000_i64, 1 => any::<i32>().prop_map(i64::from)],
        text in prop::option::weighted(0.1, "[a-z0-9]{0,5}"),
        numbers in prop::array::uniform5(number()),
        is_derived in any::<bool>(),
        passed in any::<Option<bool>>(),
    ) -> Model {
        let [total_time, user_time, kernel_time, cpu_usage, memory_usage] = numbers;
        let cpu_usage = if is_derived && total_time != 0.0 { (user_time + kernel_time) / total_time } else { cpu_usage };
        Model {
            id: gap, session_id: ids.0, context_id: ids.1, variant_id: ids.2, started_at, started_at_text: text,
            total_time, user_time, kernel_time, cpu_usage, memory_usage, passed,
        }
    }
}

/// Metrics in the order of their keys.
fn metrics() -> impl Strategy<Value = Vec<Model>> {
    prop::collection::vec(metric(), 1..200).prop_map(|mut rows| {
        let mut key = 0;
        for row in &mut rows {
            key += row.id;
            row.id = key;
        }
        rows
    })
}

fn opened(Sealed { row, blobs }: Sealed) -> OpenSegment {
    let directory = blobs.iter().find(|(blob, _)| *blob == Blob::DIRECTORY).map(|(_, bytes)| bytes);
    let directory = Directory::decode(directory.unwrap()).unwrap();
    let mut segment = OpenSegment::new(row, Arc::new(directory));
    for (blob, bytes) in blobs {
        if blob != Blob::DIRECTORY {
            let pages = segment.pages();
            segment.load(blob, OpenColumn::open(1, blob, bytes, pages).unwrap());
        }
    }
    segment
}

fn numbers<T>(values: impl Strategy<Value = T> + Clone + 'static) -> impl Strategy<Value = Number<T>>
where
    T: std::fmt::Debug + Clone + 'static,
{
    let one = || prop::option::weighted(0.3, values.clone());
    let any_of = prop::option::weighted(0.2, prop::collection::vec(values.clone(), 0..5));
    (prop::option::weighted(0.1, values.clone()), any_of, one(), one(), one(), one())
        .prop_map(|(eq, any_of, gt, gte, lt, lte)| Number { eq, any_of, gt, gte, lt, lte })
}

fn predicate() -> impl Strategy<Value = Predicate> {
    let among = |dimension, keys: std::ops::Range<i64>| {
        prop::collection::vec(keys, 0..6)
            .prop_map(move |keys| Predicate::Among(dimension, Arc::new(keys.into_iter().collect())))
    };
    let resource = prop::sample::select(Resource::ALL.to_vec());
    let leaf = prop_oneof![
        any::<bool>().prop_map(Predicate::Is),
        among(Dimension::Session, 0..6),
        among(Dimension::Context, 0..5),
        among(Dimension::Variant, 0..40),
        numbers(0..300_i64).prop_map(|number| Predicate::Key(number.into())),
        numbers(-10..1_010_i64).prop_map(|number| Predicate::StartedAt(number.into())),
        (resource, numbers(number().boxed()))
            .prop_map(|(resource, number)| Predicate::Resource(resource, number.into())),
        any::<bool>().prop_map(Predicate::Passed),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Predicate::all),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Predicate::any),
            inner.prop_map(Predicate::not),
        ]
    })
}

/// Evaluates a condition on one metric, as plainly as possible.
fn holds(predicate: &Predicate, row: &Model) -> bool {
    match predicate {
        Predicate::Is(holds) => *holds,
        Predicate::Among(Dimension::Session, keys) => keys.iter().any(|key| key == row.session_id),
        Predicate::Among(Dimension::Context, keys) => keys.iter().any(|key| key == row.context_id),
        Predicate::Among(Dimension::Variant, keys) => keys.iter().any(|key| key == row.variant_id),
        Predicate::Key(number) => number.matches(&row.id),
        Predicate::StartedAt(number) => number.matches(&row.started_at),
        Predicate::Resource(resource, number) => number.matches(&row.resource(*resource)),
        Predicate::Passed(passed) => row.passed == Some(*passed),
        Predicate::All(parts) => parts.iter().all(|part| holds(part, row)),
        Predicate::Any(parts) => parts.iter().any(|part| holds(part, row)),
        Predicate::Not(part) => !holds(part, row),
    }
}

proptest! {
    #[test]
    fn a_segment_has_the_metrics_that_were_sealed(rows in metrics(), page_size in 1..20_usize) {
        let columns: Columns = rows.iter().collect();
        let mut segment = opened(seal(&columns, page_size, None).unwrap());
        let (first, last) = (rows.first().unwrap().id, rows.last().unwrap().id);
        prop_assert_eq!((segment.row.first_metric_id, segment.row.last_metric_id), (first, last));
        for (page, expected) in rows.chunks(page_size).enumerate() {
            segment.select(page);
            let all: Vec<usize> = (0..expected.len()).collect();
            prop_assert_eq!(&segment.metrics(&all).unwrap(), expected);
        }
        let directory = Arc::clone(&segment.directory);
        for (variant, places) in directory.of(Dimension::Variant).ranges() {
            let expected: Vec<usize> = (0..rows.len()).filter(|row| rows[*row].variant_id == variant).collect();
            prop_assert_eq!(segment.postings(places).unwrap(), expected);
        }
    }

    #[test]
    fn conditions_hold_for_the_same_metrics_as_on_rows(
        rows in metrics(), page_size in 1..20_usize, predicate in predicate(),
    ) {
        let columns: Columns = rows.iter().collect();
        let mut part = Part::Segment(Box::new(opened(seal(&columns, page_size, None).unwrap())));
        let rest = predicate.without_required(Dimension::Variant);
        let candidates: Option<Vec<Mask>> =
            predicate.required(Dimension::Variant).and_then(|variants| part.rows_of_variants(variants).unwrap());
        for (page, rows) in rows.chunks(page_size).enumerate() {
            let expected: Vec<usize> = (0..rows.len()).filter(|row| holds(&predicate, &rows[*row])).collect();
            let found = |mask: Mask| mask.rows().collect::<Vec<_>>();
            prop_assert_eq!(&found(part.matches(page, &predicate, None).unwrap()), &expected);
            if let Some(candidates) = &candidates {
                prop_assert_eq!(&found(part.matches(page, &rest, Some(candidates)).unwrap()), &expected);
            }
        }
    }

    #[test]
    fn a_directory_is_read_as_it_was_written(rows in metrics(), page_size in 1..20_usize, at: prop::sample::Index, bit in 0..8_u8) {
        let Sealed { blobs, .. } = seal(&rows.iter().collect(), page_size, None).unwrap();
        let bytes = &blobs.iter().find(|(blob, _)| *blob == Blob::DIRECTORY).unwrap().1;
        let directory = Directory::decode(bytes).unwrap();
        prop_assert_eq!(&directory.encode().unwrap(), bytes);
        prop_assert_eq!(directory.zones.len(), rows.len().div_ceil(page_size));
        let mut damaged = bytes.clone();
        damaged[at.index(bytes.len())] ^= 1_u8 << bit;
        prop_assert_eq!(Directory::decode(&damaged), None);
    }
}
