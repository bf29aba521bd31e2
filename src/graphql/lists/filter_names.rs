//! The names in the filters of a request. Those that nothing has are most likely misspelled: the response says so, with the names
//! that are near.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use async_graphql::{ContextBase, Value, value};
use entity::query::{
    Store,
    names::{self, NameOf},
};

use crate::graphql::{near_names::near_names, state::ObjectCaches};

/// Names of a request that are looked up, at most.
const MAX_NAMES: usize = 50;
/// Names for which near ones are looked for, at most: comparing takes time.
const MAX_SUGGESTED: usize = 3;

/// The names in the filters of a request.
#[derive(Debug, Default)]
pub struct FilterNames(Mutex<BTreeSet<(NameOf, String)>>);

/// Returns what a filter of the type `filter` compares in this field, if it is a name.
fn name_of(filter: &str, field: &str) -> Option<NameOf> {
    Some(match (filter, field) {
        (_, "component") | ("ComponentWhere", "name") => NameOf::Component,
        (_, "path") => NameOf::Path,
        (_, "item") | ("ItemWhere", "name") => NameOf::Item,
        (_, "variant") | ("VariantWhere", "name") => NameOf::Variant,
        (_, "pipeline") | ("PipelineWhere", "name") => NameOf::Pipeline,
        (_, "build") | ("BuildWhere", "name") => NameOf::Build,
        (_, "project") | ("ProjectWhere", "name") => NameOf::Project,
        (_, "branch") | ("BranchWhere", "name") => NameOf::Branch,
        (_, "scmRef" | "revision") => NameOf::ScmRef,
        (_, "machine" | "machineNode") => NameOf::Machine,
        (_, "tagged") | ("TagWhere", "name") => NameOf::Tag,
        _ => return None,
    })
}

/// Returns how a message calls it.
fn noun(of: NameOf) -> &'static str {
    match of {
        NameOf::Component => "component",
        NameOf::Path => "path",
        NameOf::Item => "item",
        NameOf::Variant => "variant",
        NameOf::Pipeline => "pipeline",
        NameOf::Build => "build",
        NameOf::Project => "project",
        NameOf::Branch => "branch",
        NameOf::ScmRef => "revision",
        NameOf::Machine => "machine",
        NameOf::Tag => "tag",
    }
}

fn collect(filter: &str, value: &Value, found: &mut BTreeSet<(NameOf, String)>) {
    match value {
        Value::List(parts) => parts.iter().for_each(|part| collect(filter, part, found)),
        Value::Object(members) => {
            for (field, member) in members {
                let Value::Object(condition) = member else {
                    collect(filter, member, found);
                    continue;
                };
                let Some(of) = name_of(filter, field) else {
                    collect(filter, member, found);
                    continue;
                };
                let texts = ["eq", "in", "names"].into_iter().filter_map(|operator| condition.get(operator));
                let texts = texts.flat_map(|texts| {
                    if let Value::List(texts) = texts { &texts[..] } else { std::slice::from_ref(texts) }
                });
                for text in texts {
                    if let Value::String(text) = text
                        && !text.is_empty()
                        && found.len() < MAX_NAMES
                    {
                        found.insert((of, text.clone()));
                    }
                }
            }
        }
        _ => {}
    }
}

impl FilterNames {
    /// Collects the names in a filter of the type `filter`.
    pub fn add(&self, filter: &str, value: &Value) {
        collect(filter, value, &mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Returns a warning for each name that nothing has. If the database fails, there are none: the answer stands without them.
    pub async fn warnings(&self, store: &Store, caches: &ObjectCaches) -> Vec<Value> {
        let names = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let names: Vec<_> = names.into_iter().filter(|name| caches.names.get(name).is_none()).collect();
        if names.is_empty() {
            return Vec::new();
        }
        let Ok(exist) = names::exist(store, &names).await else { return Vec::new() };
        let mut warnings = Vec::new();
        for ((of, name), exists) in names.into_iter().zip(exist) {
            if exists {
                caches.names.insert((of, name), ());
                continue;
            }
            let near = if warnings.len() < MAX_SUGGESTED { near(store, of, &name).await } else { Vec::new() };
            warnings.push(warning(of, &name, &near));
        }
        warnings
    }
}

/// Returns the names that are near to `name`, the nearest first, after those that begin with it.
async fn near(store: &Store, of: NameOf, name: &str) -> Vec<String> {
    let candidates = names::candidates(store, of, name).await.unwrap_or_default();
    let candidates: Vec<&str> = candidates.iter().map(String::as_str).collect();
    let mut near: Vec<&str> = candidates.iter().copied().filter(|other| other.starts_with(name)).collect();
    near.sort_by_key(|other| other.len());
    near.truncate(MAX_SUGGESTED);
    for other in near_names(name, &candidates) {
        if near.len() < MAX_SUGGESTED && !near.contains(&other) {
            near.push(other);
        }
    }
    near.into_iter().map(str::to_owned).collect()
}

fn warning(of: NameOf, name: &str, near: &[String]) -> Value {
    let noun = noun(of);
    let quoted: Vec<String> = near.iter().map(|name| format!("`{name}`")).collect();
    let remedy = if near.is_empty() { String::new() } else { format!(" Did you mean {}?", quoted.join(" or ")) };
    value!({
        "message": (format!("where: there is no {noun} `{name}`.{remedy}")),
        "filter": noun,
        "name": name,
        "suggestions": (near.to_vec()),
    })
}

/// Collects the names in a filter, if the response can say which of them nothing has.
pub fn note<T>(ctx: &ContextBase<'_, T>, filter: &str, value: &Value) {
    if let Some(names) = ctx.data_opt::<Arc<FilterNames>>() {
        names.add(filter, value);
    }
}
