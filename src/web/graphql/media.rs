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
        let mut best: Option<(f32, Self)> = None;
        let mut asked = false;
        for value in headers.get_all(header::ACCEPT) {
            for range in value.to_str().unwrap_or_default().split(',') {
                let mut parts = range.split(';').map(str::trim);
                let name = parts.next().unwrap_or_default().to_ascii_lowercase();
                asked |= !name.is_empty();
                let media = match name.as_str() {
                    "application/graphql-response+json" => Self::GraphqlResponse,
                    "text/event-stream" => Self::EventStream,
                    "application/json" | "application/*" | "*/*" => Self::Json,
                    _ => continue,
                };
                let quality =
                    parts.find_map(|part| part.strip_prefix("q=")).and_then(|q| q.parse().ok()).unwrap_or(1.0);
                if quality > 0.0 && best.is_none_or(|(so_far, _)| quality > so_far) {
                    best = Some((quality, media));
                }
            }
        }
        if asked { best.map(|(_, media)| media) } else { Some(Self::Json) }
    }
}
