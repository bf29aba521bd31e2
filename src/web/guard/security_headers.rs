//! What every answer tells the browser that shows it.

use axum::{
    http::{HeaderName, HeaderValue, header},
    response::Response,
};

/// Pages load from here and nowhere else, and run no script that stands in them; GraphiQL and Swagger UI put styles into theirs.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; font-src 'self' data:; connect-src 'self'; base-uri 'self'; form-action 'self'; \
    frame-ancestors 'none'";

const EVERYWHERE: [(HeaderName, HeaderValue); 7] = [
    pair("content-security-policy", CONTENT_SECURITY_POLICY),
    pair("cross-origin-opener-policy", "same-origin"),
    pair("cross-origin-resource-policy", "same-origin"),
    pair("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    pair("referrer-policy", "no-referrer"),
    pair("x-content-type-options", "nosniff"),
    pair("x-frame-options", "DENY"),
];
/// Browsers ask for HTTPS only, for a year.
const WITH_TLS: (HeaderName, HeaderValue) = pair("strict-transport-security", "max-age=31536000");

const fn pair(name: &'static str, value: &'static str) -> (HeaderName, HeaderValue) {
    (HeaderName::from_static(name), HeaderValue::from_static(value))
}

/// Where nothing else is said: the next commit may change the answer, and caches in between would make up a time that it lasts.
const NOT_KEPT: HeaderValue = HeaderValue::from_static("private, no-cache");

/// Adds them to an answer.
pub(crate) fn add<B>(mut response: Response<B>, is_tls: bool) -> Response<B> {
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(NOT_KEPT);
    response.headers_mut().extend(EVERYWHERE);
    response.headers_mut().extend(is_tls.then_some(WITH_TLS));
    response
}
