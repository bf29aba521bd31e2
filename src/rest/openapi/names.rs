//! Texts and operation ids of a description.

use std::collections::HashSet;

use crate::rest::{
    document::{Document, Endpoint},
    template::Template,
};

/// Returns the description of a tag, which is the first path segment.
pub(crate) fn about_tag(tag: &str) -> String {
    match tag {
        "metrics" => "Measurements of tests.",
        "filters" => "Measurements and sessions by revision and by kind.",
        "items" => "Measurements of a test function, whatever its parameters.",
        "variants" => "Test functions with their parameters, and their measurements.",
        "sessions" => "Runs of pytest, and their measurements.",
        "contexts" => "Execution contexts (machine and Python), and their measurements.",
        "components" => "Components of the product under test, and their measurements.",
        "pipelines" => "CI pipelines, their builds and sessions.",
        "builds" => "Builds of CI pipelines.",
        "resources" => "Measurements that took the most or the least time, processor or memory.",
        other => return format!("Endpoints below `/{other}`."),
    }
    .to_owned()
}

/// Converts `listMetrics` to `ListMetrics` and `total_page` to `TotalPage`.
pub(crate) fn pascal(name: &str) -> String {
    let parts = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    parts.map(|part| part[..1].to_ascii_uppercase() + &part[1..]).collect()
}

/// Assigns unique operation ids.
pub(crate) struct Ids(HashSet<String>);

impl Ids {
    /// Reserves the names of the endpoints, which are the ids of their first paths.
    pub fn of(document: &Document) -> Self {
        Self(document.endpoints.iter().map(|endpoint| endpoint.name.clone()).collect())
    }

    /// Returns the operation id of `endpoint` at `template`. For other paths than the first, the differing arguments are appended.
    pub fn next(&mut self, endpoint: &Endpoint, template: &Template) -> String {
        let first = &endpoint.paths[0];
        if template == first {
            return endpoint.name.clone();
        }
        let missing = |from: &Template, of: &Template| -> Vec<String> {
            from.arguments().filter(|name| !of.arguments().any(|other| other == *name)).map(pascal).collect()
        };
        let (more, less) = (missing(template, first).join("And"), missing(first, template).join("And"));
        let apart = match (more.as_str(), less.as_str()) {
            ("", "") => None,
            (more, "") => Some(format!("{}With{more}", endpoint.name)),
            ("", less) => Some(format!("{}Without{less}", endpoint.name)),
            (more, less) => Some(format!("{}With{more}Without{less}", endpoint.name)),
        };
        let at = format!("{}At{}", endpoint.name, pascal(&template.documented()));
        let numbered = (2..).map(|number| format!("{at}{number}"));
        let mut names = apart.into_iter().chain([at.clone()]).chain(numbered);
        let free = names.find(|name| !self.0.contains(name)).unwrap_or(at.clone());
        self.0.insert(free.clone());
        free
    }
}
