//! The media types of answers, and which of them `Accept` asks for.

use axum::http::HeaderMap;

use crate::{
    error::{Code, Error},
    http::media_type::{MediaType, weight},
};

/// A media type of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// An object.
    Json,
    /// Comma-separated values (RFC 4180): a row of names, then a row for each object.
    Csv,
    /// JSON, a line for each object.
    Ndjson,
}

impl Format {
    /// Those of a list. Where the client does not care, the first is taken.
    pub const OF_ROWS: &[Self] = &[Self::Json, Self::Csv, Self::Ndjson];
    /// That of everything else.
    pub const OF_OTHERS: &[Self] = &[Self::Json];

    /// Returns type and subtype.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv",
            Self::Ndjson => "application/x-ndjson",
        }
    }

    /// Returns the value of `Content-Type`. JSON has no charset (RFC 8259).
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Json | Self::Ndjson => self.name(),
        }
    }

    /// Returns the extension of file names, if the answer is to be saved rather than shown.
    pub fn extension(self) -> Option<&'static str> {
        match self {
            Self::Json => None,
            Self::Csv => Some("csv"),
            Self::Ndjson => Some("ndjson"),
        }
    }

    /// Returns the one of `offered` that `Accept` gives the greatest weight. The client's order decides between equal ones, and for
    /// a wildcard that of `offered`. Without the header it is the first.
    ///
    /// # Errors
    /// [`Code::NotAcceptable`], with what is offered.
    pub fn accepted(headers: &HeaderMap, offered: &[Self]) -> Result<Self, Error> {
        let ranges: Vec<(String, f32)> =
            MediaType::accepted(headers).iter().map(|range| (range.name().to_owned(), range.quality())).collect();
        if ranges.is_empty() {
            return Ok(offered[0]);
        }
        let mut best: Option<(Self, f32)> = None;
        for (range, _) in &ranges {
            for format in offered.iter().filter(|format| format.is_in(range)) {
                let weight = weight(&ranges, format.name());
                if weight > best.map_or(0.0, |(_, so_far)| so_far) {
                    best = Some((*format, weight));
                }
            }
        }
        best.map(|(format, _)| format).ok_or_else(|| {
            let names: Vec<_> = offered.iter().map(|format| format.name()).collect();
            Error::new(Code::NotAcceptable, format!("Accept: the answer comes as {}", names.join(" or ")))
        })
    }

    fn is_in(self, range: &str) -> bool {
        let kind = range.strip_suffix('*').filter(|kind| kind.ends_with('/'));
        range == self.name() || range == "*/*" || kind.is_some_and(|kind| self.name().starts_with(kind))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that can't go on fails")]
mod tests {
    use axum::http::{HeaderValue, header};

    use super::*;

    fn accepted(accept: &str, offered: &[Format]) -> Option<Format> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::try_from(accept).unwrap());
        Format::accepted(&headers, offered).ok()
    }

    #[test]
    fn the_greatest_weight_decides_then_the_clients_order() {
        for (accept, expected) in [
            ("", Some(Format::Json)),
            ("*/*", Some(Format::Json)),
            ("text/csv", Some(Format::Csv)),
            ("TEXT/CSV; charset=utf-8", Some(Format::Csv)),
            ("text/*", Some(Format::Csv)),
            ("application/x-ndjson", Some(Format::Ndjson)),
            ("application/*", Some(Format::Json)),
            ("text/csv, application/json", Some(Format::Csv)),
            ("application/json, text/csv", Some(Format::Json)),
            ("text/csv;q=0.5, application/json", Some(Format::Json)),
            ("text/csv, */*;q=0.1", Some(Format::Csv)),
            ("text/csv;q=0.1, */*;q=0.5", Some(Format::Json)),
            ("application/json;q=0, */*", Some(Format::Csv)),
            ("application/json;q=0, application/*", Some(Format::Ndjson)),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Some(Format::Json)),
            ("text/html", None),
            ("text/csv;q=0", None),
            ("*/*;q=0", None),
            ("text", None),
            ("text/csv;q=NaN", None),
            ("*", None),
        ] {
            assert_eq!(accepted(accept, Format::OF_ROWS), expected, "{accept}");
        }
    }

    #[test]
    fn an_answer_that_is_no_list_is_json() {
        assert_eq!(accepted("text/csv, application/*;q=0.1", Format::OF_OTHERS), Some(Format::Json));
        assert_eq!(accepted("text/csv, application/x-ndjson", Format::OF_OTHERS), None);
        assert_eq!(Format::accepted(&HeaderMap::new(), Format::OF_OTHERS), Ok(Format::Json));
    }

    #[test]
    fn a_refusal_lists_what_is_offered() {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("image/png"));
        let refused = Format::accepted(&headers, Format::OF_ROWS).unwrap_err();
        assert_eq!(refused.code, Code::NotAcceptable);
        assert_eq!(refused.message, "Accept: the answer comes as application/json or text/csv or application/x-ndjson");
    }
}
