//! Writes answers, and lets caches keep those of queries sent by GET.

use async_graphql::Response as Answer;
use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};

use crate::{
    graphql::{write_answer, write_value, written_bytes},
    http::etag,
    web::graphql::{
        media::Media,
        status::{Outcome, status, was_run},
    },
};

/// Bytes that an answer has besides its lists, mostly.
const AROUND: usize = 512;

/// An answer as it is written.
pub(crate) fn body(answer: &Answer) -> Vec<u8> {
    let mut json = Vec::with_capacity(written_bytes(&answer.data) + AROUND);
    write(answer, &mut json);
    json
}

/// Answers as they are written, in their order.
pub(crate) fn batch_body(answers: &[Answer]) -> Vec<u8> {
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

fn write(answer: &Answer, json: &mut Vec<u8>) {
    let mut separator = b'{';
    let mut member = |name: &str, json: &mut Vec<u8>| {
        json.push(std::mem::replace(&mut separator, b','));
        write_value(name, json);
        json.push(b':');
    };
    if was_run(answer) {
        member("data", json);
        write_answer(&answer.data, json);
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

/// The HTTP answer. What is answered depends on the media type asked for, and on who asks.
pub(crate) fn respond(media: Media, outcome: Outcome, body: Vec<u8>) -> Response {
    let headers = [(header::CONTENT_TYPE, media.name()), (header::VARY, "accept, authorization")];
    (status(outcome, media), headers, body).into_response()
}

/// [`respond`] to a GET that ran without errors: a cache may keep it, and is told when it still holds. `seconds` says for how long it
/// need not ask; whatever is kept for somebody with a token is kept by that client alone, as HTTP has it.
pub(crate) fn respond_to_get(asked: &HeaderMap, seconds: u32, media: Media, body: Vec<u8>) -> Response {
    let tag = etag::weak(&body);
    let is_unchanged = etag::is_listed(asked, &tag);
    let lasting = match seconds {
        // Every commit may change the answer.
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
