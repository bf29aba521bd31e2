//! Media types and media ranges (RFC 9110, sections 8.3.1 and 12.5.1), as `Content-Type` and `Accept` name them.

use axum::http::{HeaderMap, header};

/// A media type or range with its parameters, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MediaType(String);

impl MediaType {
    /// Reads one. Any text can be read; one that is no media type has a name that nothing is called.
    pub(crate) fn parse(text: &str) -> Self {
        Self(text.to_ascii_lowercase())
    }

    /// Returns the type of a body by its `Content-Type`; without one, a type without a name.
    pub(crate) fn of_body(headers: &HeaderMap) -> Self {
        let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        Self::parse(given.unwrap_or_default())
    }

    /// Returns the ranges that `Accept` lists, in the client's order.
    pub(crate) fn accepted(headers: &HeaderMap) -> Vec<Self> {
        let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).map(Self::parse).filter(|range| !range.name().is_empty()).collect()
    }

    /// Returns type and subtype, such as `text/html`.
    pub(crate) fn name(&self) -> &str {
        self.0.split(';').next().unwrap_or_default().trim()
    }

    /// Returns the values of a parameter, in order, as they are quoted.
    pub(crate) fn parameters<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let parameters = self.0.split(';').skip(1).filter_map(|parameter| parameter.trim().split_once('='));
        parameters.filter(move |(given, _)| *given == name).map(|(_, value)| value)
    }

    /// Whether it is JSON itself, not only a type that is written in it.
    pub(crate) fn is_json(&self) -> bool {
        self.name() == "application/json"
    }

    /// Whether it is written in JSON by its suffix, such as `application/hal+json` (RFC 6839).
    pub(crate) fn has_json_suffix(&self) -> bool {
        self.name().ends_with("+json")
    }

    /// Whether no other `charset` than UTF-8 is given.
    pub(crate) fn is_utf8(&self) -> bool {
        self.parameters("charset").all(|charset| ["utf-8", "utf8"].contains(&charset.trim_matches('"')))
    }

    /// Returns the weight of a range: 1 without one, or with one that is no number.
    pub(crate) fn quality(&self) -> f32 {
        self.parameters("q").last().and_then(|weight| weight.trim().parse().ok()).unwrap_or(1.0)
    }
}

/// Returns the weight of the type `name` by the ranges of `Accept`, each with its own weight; 0 if none of them includes it. The exact
/// range precedes wildcards.
pub(crate) fn weight(ranges: &[(String, f32)], name: &str) -> f32 {
    let kind = name.split('/').next().unwrap_or_default();
    let of = |wanted: &str| ranges.iter().find(|(range, _)| range == wanted).map(|(_, weight)| *weight);
    of(name).or_else(|| of(&format!("{kind}/*"))).or_else(|| of("*/*")).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue, header};

    use super::*;

    #[test]
    fn a_type_is_read_in_any_case_with_its_parameters() {
        let read = MediaType::parse(" Application/JSON ; Charset=\"UTF-8\";q=0.5");
        assert_eq!(read.name(), "application/json");
        assert!(read.is_json() && read.is_utf8() && !read.has_json_suffix());
        assert_eq!(read.parameters("charset").collect::<Vec<_>>(), ["\"utf-8\""]);
    }

    #[test]
    fn json_is_recognised_with_its_parameters() {
        for (text, is_json, has_suffix) in [
            ("application/json", true, false),
            ("application/hal+json; charset=utf-8", false, true),
            ("text/json", false, false),
            ("application/jsonp", false, false),
            ("", false, false),
        ] {
            let read = MediaType::parse(text);
            assert_eq!((read.is_json(), read.has_json_suffix()), (is_json, has_suffix), "{text}");
        }
    }

    #[test]
    fn every_charset_that_is_given_must_be_utf8() {
        for (text, expected) in [
            ("application/json", true),
            ("application/json;charset=utf8", true),
            ("application/json; charset=latin1", false),
            ("application/json; charset=utf-8; charset=utf-16", false),
        ] {
            assert_eq!(MediaType::parse(text).is_utf8(), expected, "{text}");
        }
    }

    #[test]
    fn the_weight_of_a_range_is_one_unless_it_is_given() {
        for (text, expected) in [
            ("text/html", 1.0),
            ("text/html;q=0.5", 0.5),
            ("text/html;Q= 0", 0.0),
            ("text/html;q=x", 1.0),
            ("a;q=0.1;q=0.2", 0.2),
        ] {
            assert!((MediaType::parse(text).quality() - expected).abs() < f32::EPSILON, "{text}");
        }
    }

    #[test]
    fn the_ranges_of_all_accept_headers_are_listed_in_order() {
        let mut headers = HeaderMap::new();
        headers.append(header::ACCEPT, HeaderValue::from_static("text/html, ,application/*;q=0.8"));
        headers.append(header::ACCEPT, HeaderValue::from_static("*/*"));
        let ranges = MediaType::accepted(&headers);
        assert_eq!(ranges.iter().map(MediaType::name).collect::<Vec<_>>(), ["text/html", "application/*", "*/*"]);
    }
}
