//! HTTP responses to errors outside `/graphql`, and the headers that tell a client how to retry.

use axum::{
    Json,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{
    error::{Code, Error},
    http::facts::Refused,
};

impl IntoResponse for Error {
    /// Builds `{"message": …}`, the form of every error outside `/graphql`.
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let refused = Refused::new(self.code, &self.message);
        let mut response = (status, Json(serde_json::json!({ "message": self.message }))).into_response();
        response.extensions_mut().insert(refused);
        advise(response.headers_mut(), self.code, self.scope, self.retry_after);
        response
    }
}

/// Adds how to retry: with a token (`WWW-Authenticate`), or later (`Retry-After`).
pub(crate) fn advise(headers: &mut HeaderMap, code: Code, scope: Option<&str>, retry_after: Option<u64>) {
    let soon = (code.status() == StatusCode::SERVICE_UNAVAILABLE.as_u16()).then_some(1);
    if let Some(seconds) = retry_after.or(soon) {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    match (code, scope) {
        (Code::UpgradeRequired, _) => {
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        (Code::Unauthenticated, _) => {
            for scheme in [r#"Basic realm="metrograph""#, r#"Bearer realm="metrograph""#] {
                headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
            }
        }
        (Code::Forbidden, Some(scope)) => {
            let lacking = format!(r#"Bearer error="insufficient_scope", scope="{scope}""#);
            headers.extend(HeaderValue::from_str(&lacking).ok().map(|value| (header::WWW_AUTHENTICATE, value)));
        }
        _ => {}
    }
}
