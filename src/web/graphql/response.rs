//! Writes responses, and makes those to GET cacheable.

use async_graphql::Response as GraphqlResponse;
use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};

use crate::{
    graphql::{raw_json_bytes, write_json, write_value},
    http::etag,
    web::graphql::{
        media::Media,
        status::{Outcome, status, was_run},
    },
};

/// Usual number of bytes of a response besides its lists.
const AROUND: usize = 512;

/// Writes a response as JSON.
pub(crate) fn body(answer: &GraphqlResponse) -> Vec<u8> {
    let mut json = Vec::with_capacity(raw_json_bytes(&answer.data) + AROUND);
    write(answer, &mut json);
    json
}

/// Writes the responses of a batch as a JSON array.
pub(crate) fn batch_body(answers: &[GraphqlResponse]) -> Vec<u8> {
    let mut json = vec![b'['];
    for answer in answers {
        if json.len() > 1 {
            json.push(b',');
        }
        write(answer, &mut json);
    }
    json.push(b']');
    json
}

fn write(answer: &GraphqlResponse, json: &mut Vec<u8>) {
    let mut separator = b'{';
    let mut member = |name: &str, json: &mut Vec<u8>| {
        json.push(std::mem::replace(&mut separator, b','));
        write_value(name, json);
        json.push(b':');
    };
    if was_run(answer) {
        member("data", json);
        write_json(&answer.data, json);
    }
    if !answer.errors.is_empty() {
        member("errors", json);
        write_value(&answer.errors, json);
    }
    if !answer.extensions.is_empty() {
        member("extensions", json);
        write_value(&answer.extensions, json);
    }
    json.push(b'}');
}

/// Builds the HTTP response. It varies by media type and caller.
pub(crate) fn respond(media: Media, outcome: Outcome, body: Vec<u8>) -> Response {
    let headers = [(header::CONTENT_TYPE, media.name()), (header::VARY, "accept, authorization")];
    (status(outcome, media), headers, body).into_response()
}

/// Like [`respond`], for a GET that ran without errors: sets `ETag`, and responds with 304 if the client has the
/// current version. `seconds`: how long caches may reuse it without asking. HTTP keeps responses to requests with a
/// token in private caches.
pub(crate) fn respond_to_get(asked: &HeaderMap, seconds: u32, media: Media, body: Vec<u8>) -> Response {
    let tag = etag::weak(&body);
    let is_unchanged = etag::is_listed(asked, &tag);
    let lasting = match seconds {
        // Every commit may change the response.
        0 => "private, no-cache".to_owned(),
        seconds => format!("max-age={seconds}"),
    };
    let mut response = respond(media, Outcome::Complete, if is_unchanged { Vec::new() } else { body });
    if is_unchanged {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.headers_mut().remove(header::CONTENT_TYPE);
    }
    for (name, value) in [(header::ETAG, tag), (header::CACHE_CONTROL, lasting)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
