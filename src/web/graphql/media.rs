//! Content negotiation: the media types of responses.

use async_graphql::parser::types::OperationType;
use axum::http::HeaderMap;

use crate::http::media_type::{MediaType, weight};

/// A media type of responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Media {
    /// That of the specification: the status tells whether the request could be executed.
    GraphqlResponse,
    /// The legacy type: 200 for every well-formed request.
    Json,
    /// Server-sent events, for subscriptions.
    EventStream,
    /// Multipart, for Apollo's subscriptions.
    Multipart,
}

impl Media {
    /// Returns the `Content-Type` of a single response, which is JSON even if a stream was asked for.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
            Self::Json | Self::EventStream | Self::Multipart => "application/json; charset=utf-8",
        }
    }

    /// Whether it carries any number of responses.
    pub(crate) fn is_stream(self) -> bool {
        matches!(self, Self::EventStream | Self::Multipart)
    }

    fn range(self) -> &'static str {
        match self {
            Self::GraphqlResponse => "application/graphql-response+json",
            Self::Json => "application/json",
            Self::EventStream => "text/event-stream",
            Self::Multipart => PARTS,
        }
    }
}

/// The range of Apollo's subscriptions. Without the parameter, `multipart/mixed` means incremental delivery.
const PARTS: &str = "multipart/mixed;subscriptionspec=1.0";

/// The best accepted media types, by kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Accepted {
    best: Media,
    single: Option<Media>,
    stream: Option<Media>,
}

impl Accepted {
    /// Reads `Accept`; JSON if it is missing.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let ranges = ranges(headers);
        if ranges.is_empty() {
            return Some(Self { best: Media::Json, single: Some(Media::Json), stream: None });
        }
        // In the client's order, which decides between equal weights. Wildcards mean JSON.
        let named = ranges.iter().filter_map(|(name, _)| match name.as_str() {
            "application/graphql-response+json" => Some(Media::GraphqlResponse),
            "text/event-stream" => Some(Media::EventStream),
            PARTS => Some(Media::Multipart),
            "application/json" | "application/*" | "*/*" => Some(Media::Json),
            _ => None,
        });
        let taken: Vec<(Media, f32)> = named.map(|media| (media, weight(&ranges, media.range()))).collect();
        let best = |is_wanted: fn(Media) -> bool| {
            let mut best: Option<(Media, f32)> = None;
            for &(media, quality) in taken.iter().filter(|(media, _)| is_wanted(*media)) {
                if quality > best.map_or(0.0, |(_, so_far)| so_far) {
                    best = Some((media, quality));
                }
            }
            best.map(|(media, _)| media)
        };
        Some(Self { best: best(|_| true)?, single: best(|media| !media.is_stream()), stream: best(Media::is_stream) })
    }

    /// Returns the type for a single response. Events can carry it; multipart is asked for with every request, but
    /// meant for subscriptions.
    pub(crate) fn for_one(self) -> Media {
        if self.best == Media::Multipart { self.single.unwrap_or(self.best) } else { self.best }
    }

    /// Returns the type for an operation of this kind: subscriptions need a stream.
    pub(crate) fn for_operation(self, kind: Option<OperationType>) -> Media {
        let stream = self.stream.filter(|_| kind == Some(OperationType::Subscription));
        stream.unwrap_or_else(|| self.for_one())
    }
}

/// Whether `Accept` lists HTML, as browsers do.
pub(crate) fn wants_page(headers: &HeaderMap) -> bool {
    let ranges = ranges(headers);
    ranges.iter().any(|(name, _)| name == "text/html") && weight(&ranges, "text/html") > 0.0
}

/// Returns the ranges of `Accept` with their weights. Of the parameters, only the version of Apollo's protocol is kept.
fn ranges(headers: &HeaderMap) -> Vec<(String, f32)> {
    let named = |range: &MediaType| {
        range.parameters("subscriptionspec").fold(range.name().to_owned(), |name, version| {
            format!("{name};subscriptionspec={}", version.trim_matches('"'))
        })
    };
    MediaType::accepted(headers).iter().map(|range| (named(range), range.quality())).collect()
}
