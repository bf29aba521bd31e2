//! What tests find in single pairs, and what that says of all of them together.

use crate::{
    benjamini_hochberg::adjusted,
    cliffs_delta::cliffs_delta,
    judgement::{Judgement, Side},
    mann_whitney::MannWhitney,
    ranks::PooledRanks,
    sample::Sample,
};

/// What a test finds in one pair.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Finding {
    /// The p-value of the [`MannWhitney`] test.
    pub p: f64,
    /// Cliff's δ, see [`cliffs_delta`].
    pub delta: f64,
}

impl Finding {
    /// Tests a pair.
    pub fn of(before: &Sample, after: &Sample) -> Self {
        let ranks = PooledRanks::of(before, after);
        Self { p: MannWhitney::of(&ranks).p, delta: cliffs_delta(&ranks) }
    }
}

/// A pair that is compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    /// The values before.
    pub before: Side,
    /// The values after.
    pub after: Side,
    /// The p-value, if the pair was tested.
    pub p: Option<f64>,
}

/// What is said of a pair, among all that are compared with it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    /// The p-value, adjusted for the number of pairs that were tested; `None` if this one was not.
    pub adjusted_p: Option<f64>,
    /// The judgement; `None` if there is no floor.
    pub judgement: Option<Judgement>,
}

/// Judges pairs together, in their order. `floor` is that of the resource, in its unit, see [`Judgement::of`]; `None` if values of the
/// resource are not judged.
///
/// Only p-values of pairs with enough values ([`Judgement::is_testable`]) count, and only these are adjusted for.
pub fn judge(pairs: &[Pair], floor: Option<f64>) -> Vec<Judged> {
    let p_of = |pair: &Pair| pair.p.filter(|_| Judgement::is_testable(pair.before.count, pair.after.count));
    let p_values: Vec<f64> = pairs.iter().filter_map(p_of).collect();
    let mut adjusted = adjusted(&p_values).into_iter();
    let judged = |pair: &Pair| {
        let adjusted_p = p_of(pair).and_then(|_| adjusted.next());
        let judgement = floor.map(|floor| Judgement::of(pair.before, pair.after, adjusted_p, floor));
        Judged { adjusted_p, judgement }
    };
    pairs.iter().map(judged).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use proptest::prelude::*;

    use super::{Finding, Judged, Pair, judge};
    use crate::{
        judgement::{Judgement, Side},
        ranks::tests::side,
        sample::Sample,
    };

    const BEFORE: [f64; 5] = [10.0, 10.2, 9.9, 10.1, 10.0];
    const SLOWER: [f64; 5] = [10.6, 10.4, 10.9, 10.3, 10.5];

    fn pair(before: &[f64], after: &[f64]) -> Pair {
        let samples = [before, after].map(|values| Sample::of(values.to_vec()).unwrap());
        let [before, after] = &samples;
        let side = |sample: &Sample| Side { count: sample.count(), median: sample.median() };
        Pair { before: side(before), after: side(after), p: Some(Finding::of(before, after).p) }
    }

    #[test]
    fn a_finding_has_p_and_delta() {
        let sample = |values: &[f64]| Sample::of(values.to_vec()).unwrap();
        let found = Finding::of(&sample(&BEFORE), &sample(&SLOWER));
        assert!((found.p - 0.007_936_508).abs() < 1e-9 && (found.delta - 1.0).abs() < f64::EPSILON, "{found:?}");
    }

    /// A clear change among many tests without one is none: its p-value is that of the least of 100.
    #[test]
    fn pairs_are_judged_together() {
        let (changed, same) = (pair(&BEFORE, &[11.0, 12.0, 13.0, 11.5, 12.5]), pair(&BEFORE, &BEFORE));
        let alone = judge(&[changed], Some(0.005));
        assert_eq!(alone[0].judgement, Some(Judgement::Regressed));
        let mut many = vec![same; 99];
        many.push(changed);
        let judged = judge(&many, Some(0.005));
        assert!(judged.iter().all(|judged| judged.judgement == Some(Judgement::Unchanged)));
        assert!((judged[99].adjusted_p.unwrap() - 200.0 / 252.0).abs() < 1e-12, "{:?}", judged[99]);
        // Pairs that were not tested change nothing.
        let untested = Pair { p: None, ..changed };
        let few = pair(&[1.0], &[2.0]);
        let judged = judge(&[untested, changed, few], Some(0.005));
        assert_eq!(judged[1], alone[0]);
        let unknown = Judged { adjusted_p: None, judgement: Some(Judgement::Untested) };
        assert_eq!((judged[0], judged[2]), (unknown, unknown));
    }

    #[test]
    fn without_a_floor_nothing_is_judged() {
        let judged = judge(&[pair(&BEFORE, &SLOWER)], None);
        assert_eq!(judged[0].judgement, None);
        assert!(judged[0].adjusted_p.is_some());
        assert_eq!(judge(&[], Some(1.0)), []);
    }

    proptest! {
        #[test]
        fn order_does_not_count_and_findings_are_large_enough(
            sides in prop::collection::vec((side(1..9), side(1..9)), 1..20),
            floor in 0.0..2.0_f64,
        ) {
            let pairs: Vec<Pair> = sides.iter().map(|(before, after)| pair(before, after)).collect();
            let judged = judge(&pairs, Some(floor));
            let reversed: Vec<Pair> = pairs.iter().rev().copied().collect();
            prop_assert_eq!(judge(&reversed, Some(floor)).into_iter().rev().collect::<Vec<_>>(), judged.clone());
            for (pair, judged) in pairs.iter().zip(&judged) {
                let is_testable = pair.before.count.min(pair.after.count) >= 5;
                prop_assert_eq!(judged.adjusted_p.is_some(), is_testable);
                prop_assert_eq!(judged.judgement == Some(Judgement::Untested), !is_testable);
                let difference = pair.after.median - pair.before.median;
                let is_found = matches!(judged.judgement, Some(Judgement::Regressed | Judgement::Improved));
                prop_assert!(!is_found || difference.abs() > floor && judged.adjusted_p.unwrap() < 0.05);
                prop_assert!(judged.judgement != Some(Judgement::Regressed) || difference > 0.0);
                prop_assert!(judged.judgement != Some(Judgement::Improved) || difference < 0.0);
                // p·m/m may be rounded down.
                let is_adjusted = |adjusted: f64| adjusted >= pair.p.unwrap() * (1.0 - 1e-12) && adjusted <= 1.0;
                prop_assert!(judged.adjusted_p.is_none_or(is_adjusted));
            }
        }
    }
}
