//! Security headers of every response.

use axum::{
    http::{HeaderName, HeaderValue, header},
    response::Response,
};

/// Pages load only from this server and run no inline scripts. GraphiQL and Swagger UI need inline styles.
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
/// HTTPS only, for a year.
const WITH_TLS: (HeaderName, HeaderValue) = pair("strict-transport-security", "max-age=31536000");

const fn pair(name: &'static str, value: &'static str) -> (HeaderName, HeaderValue) {
    (HeaderName::from_static(name), HeaderValue::from_static(value))
}

/// The default: the next commit may change the response, and caches would otherwise choose a lifetime by themselves.
const NOT_KEPT: HeaderValue = HeaderValue::from_static("private, no-cache");

/// Adds the headers to a response.
pub(crate) fn add<B>(mut response: Response<B>, is_tls: bool) -> Response<B> {
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(NOT_KEPT);
    response.headers_mut().extend(EVERYWHERE);
    response.headers_mut().extend(is_tls.then_some(WITH_TLS));
    response
}
