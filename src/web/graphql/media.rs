//! The media types of answers, and which of them a request gets.

use axum::http::{HeaderMap, header};

/// A media type that answers come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// The specification's own: the status tells whether the request could be run.
    GraphqlResponse,
    /// The old one: 200 for every well-formed request.
    Json,
    /// Server-sent events, for subscriptions.
    EventStream,
}

impl Media {
    /// What `Content-Type` says. Whoever asked for events and gets one answer gets JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
            Self::Json | Self::EventStream => "application/json; charset=utf-8",
        }
    }

    /// The best of what `Accept` lists; JSON where nothing is said.
    pub fn negotiate(headers: &HeaderMap) -> Option<Self> {
        let ranges = ranges(headers);
        if ranges.is_empty() {
            return Some(Self::Json);
        }
        let mut best: Option<(f32, Self)> = None;
        // In the client's order, which decides between equals; what comes by a wildcard is JSON.
        for (name, _) in &ranges {
            let media = match name.as_str() {
                "application/graphql-response+json" => Self::GraphqlResponse,
                "text/event-stream" => Self::EventStream,
                "application/json" | "application/*" | "*/*" => Self::Json,
                _ => continue,
            };
            let quality = quality(&ranges, media.range());
            if quality > 0.0 && best.is_none_or(|(so_far, _)| quality > so_far) {
                best = Some((quality, media));
            }
        }
        best.map(|(_, media)| media)
    }

    fn range(self) -> &'static str {
        match self {
            Self::GraphqlResponse => "application/graphql-response+json",
            Self::Json => "application/json",
            Self::EventStream => "text/event-stream",
        }
    }
}

/// Whether `Accept` names pages, as browsers do.
pub fn wants_page(headers: &HeaderMap) -> bool {
    let ranges = ranges(headers);
    ranges.iter().any(|(name, _)| name == "text/html") && quality(&ranges, "text/html") > 0.0
}

/// The media ranges that `Accept` lists, with their qualities.
fn ranges(headers: &HeaderMap) -> Vec<(String, f32)> {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let range = |text: &str| {
        let mut parts = text.split(';').map(|part| part.trim().to_ascii_lowercase());
        let name = parts.next().filter(|name| !name.is_empty())?;
        let quality = parts.find_map(|part| part.strip_prefix("q=").map(|q| q.trim().parse().unwrap_or(1.0)));
        Some((name, quality.unwrap_or(1.0)))
    };
    values.flat_map(|value| value.split(',')).filter_map(range).collect()
}

/// How much `media` is wanted: what is said of it by name goes before what wildcards say.
fn quality(ranges: &[(String, f32)], media: &str) -> f32 {
    let kind = media.split('/').next().unwrap_or_default();
    let named = |wanted: &str| ranges.iter().find(|(name, _)| name == wanted).map(|(_, quality)| *quality);
    named(media).or_else(|| named(&format!("{kind}/*"))).or_else(|| named("*/*")).unwrap_or(0.0)
}

/// Whether `Content-Type` says that a body is JSON, which is UTF-8.
pub fn is_json(headers: &HeaderMap) -> bool {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = given.split(';').map(|part| part.trim().to_ascii_lowercase());
    parts.next().is_some_and(|name| name == "application/json")
        && parts.all(|part| {
            part.strip_prefix("charset=").is_none_or(|charset| ["utf-8", "utf8"].contains(&charset.trim_matches('"')))
        })
}
