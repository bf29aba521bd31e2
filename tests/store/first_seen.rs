//! The order in which a model first saw the objects of each list. What nothing refers to any more leaves its place.

use std::collections::BTreeMap;

use serde_json::Value;

/// The names of the objects of each list, in the order of the lists.
#[derive(Default)]
pub struct FirstSeen(BTreeMap<&'static str, Vec<Value>>);

impl FirstSeen {
    /// Notes an object, unless it is there.
    pub fn see(&mut self, list: &'static str, names: Value) {
        let seen = self.0.entry(list).or_default();
        if !seen.contains(&names) {
            seen.push(names);
        }
    }

    /// Forgets the objects that are not left.
    pub fn retain(&mut self, is_left: impl Fn(&'static str, &Value) -> bool) {
        for (list, seen) in &mut self.0 {
            seen.retain(|names| is_left(list, names));
        }
    }

    /// Returns the objects of a list.
    pub fn of(&self, list: &str) -> Vec<Value> {
        self.0.get(list).cloned().unwrap_or_default()
    }
}
