//! Names that are near to an unknown one, for suggestions.

/// Names of one suggestion, at most.
const MAX_SUGGESTIONS: usize = 3;
/// Longer names get no suggestion: the time of a comparison grows with the product of the lengths.
const MAX_NAME_BYTES: usize = 100;

/// Returns the names that are near to the unknown name `given`, at most three, the nearest first.
pub fn near_names<'n>(given: &str, candidates: &[&'n str]) -> Vec<&'n str> {
    if given.len() > MAX_NAME_BYTES {
        return Vec::new();
    }
    let distance = |name: &str| strsim::damerau_levenshtein(&given.to_lowercase(), &name.to_lowercase());
    let mut near: Vec<(usize, &str)> = candidates.iter().map(|name| (distance(name), *name)).collect();
    near.retain(|(distance, name)| *distance <= name.len().max(given.len()) * 2 / 5);
    near.sort_unstable();
    near.into_iter().take(MAX_SUGGESTIONS).map(|(_, name)| name).collect()
}
