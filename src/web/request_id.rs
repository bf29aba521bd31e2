//! The id of a request, by which its lines in several logs are found: the client's or proxy's, else a new one.

use std::sync::{
    LazyLock,
    atomic::{AtomicU64, Ordering},
};

use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// The header, in requests and responses.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken from a request.
const MAX_LENGTH: usize = 128;

/// Returns the id of a request with these headers.
pub(crate) fn request_id(headers: &HeaderMap) -> HeaderValue {
    let mut sent = headers.get_all(X_REQUEST_ID).iter();
    match (sent.next(), sent.next()) {
        (Some(only), None) if is_sane(only.as_bytes()) => only.clone(),
        _ => new_id(),
    }
}

fn is_sane(id: &[u8]) -> bool {
    (1..=MAX_LENGTH).contains(&id.len()) && id.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.:+/=@".contains(b))
}

/// Returns an id that no other request of this server or, most probably, another one has.
fn new_id() -> HeaderValue {
    static START: LazyLock<u32> = LazyLock::new(|| getrandom::u32().unwrap_or_default());
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let id = format!("{:08x}-{}", *START, NEXT.fetch_add(1, Ordering::Relaxed));
    HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("unknown"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that can't go on fails")]
mod tests {
    use axum::http::{HeaderMap, HeaderValue};

    use super::{X_REQUEST_ID, request_id};

    #[test]
    fn an_id_is_taken_over_if_it_can_stand_in_a_log() {
        for sent in ["a", "4bf92f35-77b3:4da6/a3ce.929d@0e0e=+_", &"x".repeat(128)] {
            let headers = HeaderMap::from_iter([(X_REQUEST_ID, HeaderValue::from_str(sent).unwrap())]);
            assert_eq!(request_id(&headers), sent);
        }
        for sent in ["", "a b", "a\"b", "ü", "{}", &"x".repeat(129)] {
            let headers = HeaderMap::from_iter([(X_REQUEST_ID, HeaderValue::from_bytes(sent.as_bytes()).unwrap())]);
            assert_ne!(request_id(&headers), sent);
        }
        let mut twice = HeaderMap::new();
        twice.append(X_REQUEST_ID, HeaderValue::from_static("a"));
        twice.append(X_REQUEST_ID, HeaderValue::from_static("b"));
        assert!(request_id(&twice) != request_id(&HeaderMap::new()));
    }
}
