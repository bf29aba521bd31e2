//! The paths of endpoints, and the links to their pages.

use std::collections::HashMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Characters that need no percent-encoding in a path segment (`pchar` of RFC 3986).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Argument(String),
}

/// A path such as `/components/{component}/metrics`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    segments: Vec<Segment>,
    trailing_slash: bool,
}

impl Template {
    /// Parses a path template.
    ///
    /// # Errors
    /// The reason why it is invalid.
    pub fn parse(text: &str) -> Result<Self, String> {
        let inner = text.strip_prefix('/').ok_or_else(|| format!("the path '{text}' does not start with a slash"))?;
        let trailing_slash = inner.ends_with('/');
        let inner = inner.strip_suffix('/').unwrap_or(inner);
        let segment = |part: &str| {
            let argument = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            let name = argument.unwrap_or(part);
            let fits = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~".contains(&b));
            match (fits, argument) {
                (false, _) => Err(format!("the segment '{part}' of '{text}' is neither a plain word nor {{argument}}")),
                (true, Some(name)) => Ok(Segment::Argument(name.to_owned())),
                (true, None) => Ok(Segment::Literal(part.to_owned())),
            }
        };
        Ok(Self { segments: inner.split('/').map(segment).collect::<Result<_, _>>()?, trailing_slash })
    }

    /// Returns the names of its arguments, from left to right.
    pub fn arguments(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Argument(name) => Some(name.as_str()),
            Segment::Literal(_) => None,
        })
    }

    /// Returns the first segment, unless it is an argument.
    pub fn first_word(&self) -> Option<&str> {
        match self.segments.first()? {
            Segment::Literal(text) => Some(text),
            Segment::Argument(_) => None,
        }
    }

    /// Returns the name of a file with what it leads to: its literals.
    pub fn file_stem(&self) -> String {
        let literals = self.segments.iter().filter_map(|segment| match segment {
            Segment::Literal(text) => Some(text.as_str()),
            Segment::Argument(_) => None,
        });
        literals.collect::<Vec<_>>().join("-")
    }

    /// Returns whether it has an argument and ends in a literal. Only then can an argument span several segments.
    pub fn is_open(&self) -> bool {
        self.arguments().next().is_some() && matches!(self.segments.last(), Some(Segment::Literal(_)))
    }

    /// Returns the number of literal segments.
    pub fn literals(&self) -> usize {
        self.segments.iter().filter(|segment| matches!(segment, Segment::Literal(_))).count()
    }

    /// Matches `segments`, where an argument may span several of them, and returns the path with the slashes of arguments
    /// percent-encoded. Of several matches, the one with the shortest first argument is returned.
    pub fn fill(&self, segments: &[&str]) -> Option<String> {
        let parts = fill(&self.segments, segments)?;
        Some(parts.iter().map(|part| format!("/{}", part.join("%2F"))).collect())
    }

    /// Returns the path in axum's syntax, without a trailing slash. Arguments are numbered, because axum rejects different names
    /// at the same position.
    pub fn route(&self) -> String {
        let mut arguments = 0;
        self.write(|_| {
            arguments += 1;
            format!("{{a{}}}", arguments - 1)
        })
    }

    /// Returns the path as OpenAPI writes it.
    pub fn documented(&self) -> String {
        self.write(|name| format!("{{{name}}}")) + self.slash()
    }

    /// Returns the path with its arguments filled in and percent-encoded.
    pub fn link(&self, arguments: &HashMap<String, String>) -> String {
        self.write(|name| encoded(arguments.get(name).map_or("", String::as_str))) + self.slash()
    }

    fn slash(&self) -> &'static str {
        if self.trailing_slash { "/" } else { "" }
    }

    fn write(&self, mut argument: impl FnMut(&str) -> String) -> String {
        let mut path = String::new();
        for segment in &self.segments {
            path.push('/');
            match segment {
                Segment::Literal(text) => path.push_str(text),
                Segment::Argument(name) => path.push_str(&argument(name)),
            }
        }
        path
    }
}

/// Returns a text as a segment of a path, percent-encoded where needed.
pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// Assigns the segments of a path to those of a template.
fn fill<'a, 'g>(segments: &[Segment], given: &'a [&'g str]) -> Option<Vec<&'a [&'g str]>> {
    let Some((first, rest)) = segments.split_first() else { return given.is_empty().then(Vec::new) };
    let most = match first {
        Segment::Literal(text) if given.first() == Some(&text.as_str()) => 1,
        Segment::Literal(_) => return None,
        // Each of the remaining ones takes at least one.
        Segment::Argument(_) => given.len().checked_sub(rest.len())?,
    };
    (1..=most).find_map(|taken| {
        let mut parts = fill(rest, &given[taken..])?;
        parts.insert(0, &given[..taken]);
        Some(parts)
    })
}

/// Returns the query string of a link to page `number`.
pub(super) fn query_of_page(query: &[(String, String)], number: i64) -> String {
    query_with(query, "page", &number.to_string())
}

/// Returns the query string with another value of `parameter`. All parameters keep their order; this one is replaced or appended.
pub(super) fn query_with(query: &[(String, String)], parameter: &str, value: &str) -> String {
    let mut link = form_urlencoded::Serializer::new(String::new());
    let mut placed = false;
    for (name, given) in query {
        if name != parameter {
            link.append_pair(name, given);
        } else if !placed {
            link.append_pair(name, value);
            placed = true;
        }
    }
    if !placed {
        link.append_pair(parameter, value);
    }
    link.finish()
}
