//! Path normalization: projects in addresses, base URLs that end in a slash, and names whose slashes are not percent-encoded. It
//! applies only to paths that match no route as they are.

use percent_encoding::percent_decode_str;

use super::{api::RestApi, template::Template};

/// Maximum number of segments of a path that is matched with arguments over several segments: the work grows combinatorially.
const MAX_SEGMENTS: usize = 64;

/// The project that the address of a request names: `NAME` of `/p/NAME/api/…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectName(pub String);

/// The path templates of all REST APIs.
#[derive(Debug, Clone)]
pub struct Paths {
    /// Such as `/api/v1`.
    prefixes: Vec<String>,
    /// Templates that end in a literal, each with its prefix. Those with more literals come first, since they are more specific.
    open: Vec<(String, Template)>,
}

impl Paths {
    /// Collects the templates of `apis`.
    pub fn of(apis: &[RestApi]) -> Self {
        let prefixes = apis.iter().map(|api| api.prefix.clone()).collect();
        let mut open: Vec<_> = apis
            .iter()
            .flat_map(|RestApi { prefix, document, .. }| {
                let templates = document.endpoints.iter().flat_map(|endpoint| &endpoint.paths);
                templates.filter(|template| template.is_open()).map(|template| (prefix.clone(), template.clone()))
            })
            .collect();
        open.sort_by_key(|(_, template)| std::cmp::Reverse(template.literals()));
        Self { prefixes, open }
    }

    /// Splits `/p/NAME/api/…` into the project and the path without it. `None` for other paths, and if the name is empty or no text.
    pub fn without_project(&self, path: &str) -> Option<(ProjectName, String)> {
        let (name, mut rest) = strip_project(path)?;
        // Old clients append links, which start with the project, to a base URL that has it.
        let doubled = |rest| self.prefixes.iter().find_map(|prefix| strip_project(strip_segments(prefix, rest)?));
        while let Some((_, below)) = doubled(rest).filter(|(other, _)| *other == name) {
            rest = below;
        }
        let name = percent_decode_str(name).decode_utf8().ok().filter(|name| !name.is_empty())?;
        Some((ProjectName(name.into_owned()), rest.to_owned()))
    }

    /// Removes empty segments before an endpoint (`//contexts/…`, `/api//v1//metrics/`) and at the end. Returns `None` if there are
    /// none. Elsewhere an empty segment is an empty name: `/components//metrics`.
    pub fn without_empty_segments(&self, path: &str) -> Option<String> {
        // `*` is the request target of a server-wide OPTIONS.
        let mut rest = path.strip_prefix('/')?.trim_start_matches('/');
        let mut tidy = String::with_capacity(path.len());
        while let Some((prefix, tail)) =
            self.prefixes.iter().find_map(|prefix| Some((prefix, strip_segments(prefix, rest)?)))
        {
            tidy.push_str(prefix);
            rest = tail.trim_start_matches('/');
        }
        tidy.push('/');
        tidy.push_str(rest.trim_end_matches('/'));
        if rest.ends_with('/') {
            tidy.push('/');
        }
        (tidy != path).then_some(tidy)
    }

    /// Percent-encodes slashes within names (`/pipelines/feature%2Farrow/builds`), if the path then matches an endpoint.
    pub fn with_encoded_slashes(&self, path: &str) -> Option<String> {
        self.open.iter().find_map(|(prefix, template)| {
            let below = path.strip_prefix(prefix)?;
            // Old clients double the prefix.
            let below = below.strip_prefix(prefix).unwrap_or(below).strip_prefix('/')?;
            let segments: Vec<&str> = below.strip_suffix('/').unwrap_or(below).split('/').collect();
            let found = if segments.len() > MAX_SEGMENTS { None } else { template.fill(&segments) };
            found.map(|path| format!("{prefix}{path}"))
        })
    }
}

/// Splits a path that begins with `/p/NAME/api` into the name, as it is encoded, and the rest.
fn strip_project(path: &str) -> Option<(&str, &str)> {
    let below = strip_segments("/p", path)?.strip_prefix('/')?;
    let (name, _) = below.split_once('/')?;
    let rest = &below[name.len()..];
    strip_segments("/api", rest).map(|_| (name, rest))
}

/// Strips a prefix from a path, with any number of slashes between its segments.
fn strip_segments<'p>(prefix: &str, path: &'p str) -> Option<&'p str> {
    let mut words = prefix.split('/').filter(|word| !word.is_empty());
    words.try_fold(path, |path, word| {
        let rest = path.trim_start_matches('/').strip_prefix(word)?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that can't go on fails")]
mod tests {
    use super::*;

    fn paths() -> Paths {
        let schema = crate::graphql::sdl();
        Paths::of(&crate::rest::api::load(&schema, None).unwrap())
    }

    #[test]
    fn empty_segments_are_passed_over_in_front_of_an_endpoint_alone() {
        let paths = paths();
        for (written, meant) in [
            ("/api/v1//metrics/", Some("/api/v1/metrics/")),
            ("//api///v1//metrics/", Some("/api/v1/metrics/")),
            ("/api/v1//api/v1/metrics/", Some("/api/v1/api/v1/metrics/")),
            ("//contexts/abc", Some("/contexts/abc")),
            ("//graphql", Some("/graphql")),
            ("///", Some("/")),
            ("/api/v1//components//metrics", Some("/api/v1/components//metrics")),
            ("/api/v1/metrics//", Some("/api/v1/metrics/")),
            ("/api/v1/components//metrics", None),
            ("/api/v12//metrics", None),
            ("/", None),
            ("*", None),
            ("/api/v1/metrics/", None),
        ] {
            assert_eq!(paths.without_empty_segments(written).as_deref(), meant, "{written}");
        }
    }

    #[test]
    fn a_project_is_the_segment_between_p_and_api() {
        let paths = paths();
        for (written, meant) in [
            ("/p/core/api/v1/metrics/", Some(("core", "/api/v1/metrics/"))),
            ("/p/a%2Fb%20c/api/v1/sessions/", Some(("a/b c", "/api/v1/sessions/"))),
            ("//p/core//api/v1//metrics/", Some(("core", "//api/v1//metrics/"))),
            ("/p/core/api/v1/p/core/api/v1/metrics/", Some(("core", "/api/v1/metrics/"))),
            ("/p/core/api/v1//p/core/api/v1/metrics/", Some(("core", "/api/v1/metrics/"))),
            ("/p/core/api/v1/p/other/api/v1/metrics/", Some(("core", "/api/v1/p/other/api/v1/metrics/"))),
            ("/p/core/api/team/slow", Some(("core", "/api/team/slow"))),
            ("/p//api/v1/metrics/", None),
            ("/p/%FF/api/v1/metrics/", None),
            ("/p/core/graphql", None),
            ("/p/core/apis", None),
            ("/p/core", None),
            ("/api/v1/metrics/", None),
        ] {
            let meant = meant.map(|(name, rest)| (ProjectName(name.to_owned()), rest.to_owned()));
            assert_eq!(paths.without_project(written), meant, "{written}");
        }
    }

    #[test]
    fn slashes_belong_to_the_name_in_front_of_a_literal() {
        let paths = paths();
        for (written, meant) in [
            ("/api/v1/pipelines/feature/arrow/builds", Some("/api/v1/pipelines/feature%2Farrow/builds")),
            ("/api/v1/pipelines/feature/a/b/builds/", Some("/api/v1/pipelines/feature%2Fa%2Fb/builds")),
            ("/api/v1/api/v1/components/a/b/metrics", Some("/api/v1/components/a%2Fb/metrics")),
            (
                "/api/v1/pipelines/main/builds/test 1/3/sessions",
                Some("/api/v1/pipelines/main/builds/test 1%2F3/sessions"),
            ),
            ("/api/v1/pipelines/a/b/builds/1/3/sessions", Some("/api/v1/pipelines/a%2Fb/builds/1%2F3/sessions")),
            ("/api/v1/items/like/a/b/metrics", Some("/api/v1/items/like/a%2Fb/metrics")),
            (
                "/api/v1/resources/memory/components/a/b/head/5/metrics",
                Some("/api/v1/resources/memory/components/a%2Fb/head/5/metrics"),
            ),
            ("/api/v1/sessions/a/b", None),
            ("/pipelines/a/b/builds", None),
            ("/api/v1/pipelines", None),
        ] {
            assert_eq!(paths.with_encoded_slashes(written).as_deref(), meant, "{written}");
        }
        let long = format!("/api/v1/pipelines/{}builds", "x/".repeat(100_000));
        assert_eq!(paths.with_encoded_slashes(&long), None);
    }
}
