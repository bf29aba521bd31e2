//! `ETag` (RFC 9110, section 8.8.3): the validators by which caches revalidate responses.

use axum::http::{HeaderMap, header};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

/// Bytes of the digest in a tag: enough to tell one body from another.
const DIGEST_BYTES: usize = 16;

/// Returns the tag of `body`. It is weak: the same body may be sent compressed or not.
pub(crate) fn weak(body: &[u8]) -> String {
    format!("W/\"{}\"", BASE64_URL_SAFE_NO_PAD.encode(&Sha256::digest(body)[..DIGEST_BYTES]))
}

/// Whether `If-None-Match` lists `tag`, by weak comparison.
pub(crate) fn is_listed(headers: &HeaderMap, tag: &str) -> bool {
    let strong = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let given = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    given.flat_map(|value| value.split(',')).any(|given| given.trim() == "*" || strong(given) == strong(tag))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that can't go on fails")]
mod tests {
    use axum::http::{HeaderMap, HeaderValue, header};

    use super::*;

    #[test]
    fn a_tag_is_found_in_any_list_weak_or_strong() {
        let tag = weak(b"body");
        let strong = tag.trim_start_matches("W/").to_owned();
        for (listed, expected) in [
            (tag.clone(), true),
            (strong.clone(), true),
            (format!("\"other\" , {strong}"), true),
            ("*".to_owned(), true),
            (weak(b"another"), false),
            (String::new(), false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, HeaderValue::try_from(listed.as_str()).unwrap());
            assert_eq!(is_listed(&headers, &tag), expected, "{listed}");
        }
        assert!(!is_listed(&HeaderMap::new(), &tag));
    }
}
