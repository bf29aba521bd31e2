//! The names and the texts of a description that neither schema nor operations hold.

use std::collections::HashSet;

use crate::rest::{
    document::{Document, EntryPoint},
    template::Template,
};

/// What REST v1 is.
pub(in crate::rest::openapi) const ABOUT_V1: &str = "REST v1 of Metrograph: the history of pytest runs, as pytest-monitor records it. Lists come in pages; an error \
     is an object with a message that names the remedy. GraphQL at /graphql can ask for everything that is here, and more.";
/// What an operator's own entry points are.
pub(in crate::rest::openapi) const ABOUT_OTHERS: &str = "Entry points that the operator of this Metrograph has added. An error is an object with a message that names \
     the remedy.";

/// What the entry points have in common whose paths begin with `tag`.
pub(in crate::rest::openapi) fn about_tag(tag: &str) -> String {
    match tag {
        "metrics" => "Measurements of tests: record, list and count them.",
        "filters" => "Measurements and sessions by revision and by kind.",
        "items" => "Measurements of a test function, whatever its parameters.",
        "variants" => "Measurements of a test function with its parameters.",
        "sessions" => "Runs of pytest: announce, list and count them, and their measurements.",
        "contexts" => "Machines and their Python: announce, list and count them, and their measurements.",
        "components" => "Components of the product under test, and what was measured for them.",
        "pipelines" => "CI pipelines, their builds and sessions.",
        "resources" => "Measurements that took the most or the least time, processor or memory.",
        other => return format!("What is served below `/{other}`."),
    }
    .to_owned()
}

/// `listMetrics` as `ListMetrics`, `total_page` as `TotalPage`.
pub(in crate::rest::openapi) fn pascal(name: &str) -> String {
    let parts = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    parts.map(|part| part[..1].to_ascii_uppercase() + &part[1..]).collect()
}

/// The ids of operations, each given once.
pub(in crate::rest::openapi) struct Ids(HashSet<String>);

impl Ids {
    /// An entry point has its own name at its first path.
    pub fn of(document: &Document) -> Self {
        Self(document.entry_points.iter().map(|point| point.name.clone()).collect())
    }

    /// The id of `point` at `template`: at another than the first path, with what sets that apart.
    pub fn next(&mut self, point: &EntryPoint, template: &Template) -> String {
        let first = &point.paths[0];
        if template == first {
            return point.name.clone();
        }
        let missing = |from: &Template, of: &Template| -> Vec<String> {
            from.arguments().filter(|name| !of.arguments().any(|other| other == *name)).map(pascal).collect()
        };
        let (more, less) = (missing(template, first).join("And"), missing(first, template).join("And"));
        let apart = match (more.as_str(), less.as_str()) {
            ("", "") => None,
            (more, "") => Some(format!("{}With{more}", point.name)),
            ("", less) => Some(format!("{}Without{less}", point.name)),
            (more, less) => Some(format!("{}With{more}Without{less}", point.name)),
        };
        let at = format!("{}At{}", point.name, pascal(&template.documented()));
        let numbered = (2..).map(|number| format!("{at}{number}"));
        let mut names = apart.into_iter().chain([at.clone()]).chain(numbered);
        let free = names.find(|name| !self.0.contains(name)).unwrap_or(at.clone());
        self.0.insert(free.clone());
        free
    }
}
