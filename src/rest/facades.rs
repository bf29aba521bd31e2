//! The REST APIs of the program itself: a document of operations each, served next to the operator's.

/// A REST API of the program itself.
pub(super) struct Facade {
    /// Its name in the path: `v1` has the prefix `/api/v1`.
    pub name: &'static str,
    /// The name of its document in errors.
    pub file: &'static str,
    /// Its document.
    pub text: &'static str,
    pub manners: Manners,
}

/// How an API answers, and how it is described.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manners {
    /// The text of its description.
    pub about: &'static str,
    /// Whether its description can be read without a token.
    pub is_public: bool,
    /// Whether its endpoints may be at the root as well. The root is shared with GraphQL, the pages and other documents; only old
    /// clients of REST v1 need it.
    pub may_use_root: bool,
    /// Whether `Accept` counts at every endpoint, and parameters that an endpoint does not have are refused. The clients of REST v1
    /// send both without thought.
    pub is_strict: bool,
}

/// Those that there are, in the order served.
pub(super) const FACADES: [Facade; 2] = [
    Facade {
        name: "v1",
        file: "v1.graphql",
        text: include_str!("v1.graphql"),
        manners: Manners {
            about: "REST v1 of Metrograph: the history of pytest runs, as pytest-monitor records it. Lists come in pages; an error \
                    is an object with a message that names the remedy. GraphQL at /graphql offers all of it, and more.",
            is_public: true,
            may_use_root: true,
            is_strict: false,
        },
    },
    Facade {
        name: "v2",
        file: "v2.graphql",
        text: include_str!("v2.graphql"),
        manners: Manners {
            about: "REST v2 of Metrograph, for reading: the history of pytest runs in the terms of the GraphQL schema. Lists come as \
                    JSON, CSV or NDJSON, as Accept asks; the Link header leads to the next page. An error is an object with a \
                    message that names the remedy. Measurements are posted to REST v1. GraphQL at /graphql offers all of it, and \
                    more.",
            is_public: true,
            may_use_root: false,
            is_strict: true,
        },
    },
];

/// The manners of an operator's API.
pub(super) const OPERATORS: Manners = Manners {
    about: "Endpoints added by the operator of this server. An error is an object with a message that names the remedy.",
    is_public: false,
    may_use_root: false,
    is_strict: false,
};

/// Returns the names of the program's own APIs, as a text for messages.
pub(super) fn names() -> String {
    FACADES.map(|facade| facade.name).join(", ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that can't go on fails")]
mod tests {
    use std::collections::HashSet;

    use apollo_compiler::{
        ExecutableDocument,
        executable::{Selection, SelectionSet},
    };

    use crate::rest::api::load;

    fn snake(name: &str) -> String {
        let word =
            |c: char| if c.is_ascii_uppercase() { format!("_{}", c.to_ascii_lowercase()) } else { c.to_string() };
        name.chars().map(word).collect()
    }

    fn assert_snake(document: &ExecutableDocument, set: &SelectionSet) {
        for selection in &set.selections {
            match selection {
                Selection::Field(field) => {
                    assert_eq!(field.response_name().as_str(), snake(&field.name));
                    field.selection_set.iter().for_each(|inner| assert_snake(document, inner));
                }
                Selection::InlineFragment(inline) => assert_snake(document, &inline.selection_set),
                Selection::FragmentSpread(spread) => {
                    assert_snake(document, &document.fragments[&spread.fragment_name].selection_set);
                }
            }
        }
    }

    /// Returns the name of the argument that fills this place of the graph, such as `where.item.contains`.
    fn argument(path: &str) -> String {
        match path {
            "where.tagged.values" => return "tag_value".to_owned(),
            "orderBy.by" => return "order_by".to_owned(),
            "orderBy.direction" => return "direction".to_owned(),
            "orderBy.resource" => return "resource".to_owned(),
            "groupBy.time" => return "time".to_owned(),
            "where.tagged.names" | "before.tag.name" | "after.tag.name" => return "tag".to_owned(),
            "before.period.until" | "after.period.since" => return "since".to_owned(),
            _ => {}
        }
        match path.trim_start_matches("where.").split('.').collect::<Vec<_>>().as_slice() {
            ["startedAt" | "runDate" | "start", "gte"] => "since".to_owned(),
            ["startedAt" | "runDate" | "start", "lt"] => "until".to_owned(),
            ["by", "id"] => "id".to_owned(),
            [field, "eq"] => snake(field),
            parts => parts.iter().map(|part| snake(part)).collect::<Vec<_>>().join("_"),
        }
    }

    #[test]
    fn names_of_rest_v2_are_those_of_the_graph_in_snake_case() {
        let apis = load(&crate::graphql::sdl(), None).unwrap();
        let api = apis.iter().find(|api| api.name == "v2").unwrap();
        let executable = &api.document.executable;
        for endpoint in &api.document.endpoints {
            for root in executable.operations.named[endpoint.name.as_str()].root_fields(executable) {
                // The root field stands for the answer: only that of a list or a scalar shows.
                let shown = if root.ty().is_list() { "nodes".to_owned() } else { snake(&root.name) };
                assert_eq!(root.response_name().as_str(), shown, "{}", endpoint.name);
                root.selection_set.iter().for_each(|set| assert_snake(executable, set));
            }
            let filled: HashSet<&str> = endpoint.filled.iter().map(|(_, variable)| variable.as_str()).collect();
            let variables: HashSet<&str> = endpoint.variables.iter().map(|variable| variable.name.as_str()).collect();
            assert_eq!(filled, variables, "{}", endpoint.name);
            for (path, variable) in &endpoint.filled {
                assert_eq!(*variable, argument(path), "{}: {path}", endpoint.name);
            }
            assert!(!endpoint.is_post, "{}", endpoint.name);
        }
    }
}
