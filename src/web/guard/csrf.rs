//! Protection against CSRF (cross-site request forgery), and CORS for the sites of `--cors-origin`.
//!
//! A request is same-origin if its `Origin` is the `Host`, or if the browser sends `Sec-Fetch-Site: same-origin`, which
//! pages cannot set: a proxy may have changed `Host`. Clients other than browsers send neither header and are accepted.
//! Neither check detects DNS rebinding, so the check in `hosts` runs first.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, Method, Uri, header, request::Parts, uri::Authority};
use tower_http::cors::{AllowHeaders, AllowOrigin, Any, CorsLayer};

use crate::{
    config::CorsOrigin,
    error::{Code, Error},
    http::media_type::MediaType,
    web::{guard::paths::is_graphql, limits::CORS_MAX_AGE},
};

/// Headers that a page can set only after a CORS preflight: the names that Apollo's clients and servers use.
const PREFLIGHT_HEADERS: [&str; 3] =
    ["x-apollo-operation-name", "apollo-require-preflight", "graphql-require-preflight"];

/// Values of `Sec-Fetch-Site` for pages of other origins.
const CROSS_SITE: [&str; 2] = ["cross-site", "same-site"];
/// The error for requests of other origins.
const CROSS_ORIGIN: &str = "Origin: cross-origin requests are rejected; --cors-origin lists the allowed origins";
/// Added to the error where the browser does not send `Sec-Fetch-Site`.
const PROXY_HINT: &str = "If the page is this server's own, let the proxy forward Host unchanged, with its port (nginx: \
    proxy_set_header Host $http_host); this browser sends no Sec-Fetch-Site";

/// The origins that may send requests besides the server's own.
#[derive(Debug, Clone)]
pub(crate) struct AllowedOrigins {
    any: bool,
    listed: Arc<[String]>,
}

fn text(headers: &HeaderMap, name: impl header::AsHeaderName) -> Option<&str> {
    headers.get(name).map(|value| value.to_str().unwrap_or_default())
}

/// Whether `Sec-Fetch-Site` is one of `sites`.
fn is_sent_from(headers: &HeaderMap, sites: &[&str]) -> bool {
    text(headers, "sec-fetch-site").is_some_and(|sent| sites.iter().any(|site| sent.eq_ignore_ascii_case(site)))
}

/// Whether `origin` is that of `host`. Browsers omit the default port of a scheme in both; some proxies add it.
fn is_same_host(origin: &str, host: &str) -> bool {
    let Some((scheme, own)) = origin.split_once("://") else { return false };
    let port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => "",
    };
    host.eq_ignore_ascii_case(own) || host.strip_suffix(port).is_some_and(|name| name.eq_ignore_ascii_case(own))
}

impl AllowedOrigins {
    pub(crate) fn new(given: &[CorsOrigin]) -> Self {
        let listed = given.iter().filter_map(|origin| match origin {
            CorsOrigin::Any => None,
            CorsOrigin::Site(site) => Some(site.clone()),
        });
        Self { any: given.contains(&CorsOrigin::Any), listed: listed.collect() }
    }

    fn accepts(&self, origin: &str, host: Option<&str>) -> bool {
        self.any
            || self.listed.iter().any(|listed| listed.eq_ignore_ascii_case(origin))
            || host.is_some_and(|host| is_same_host(origin, host))
    }

    /// Whether a browser sends the request for a page of another origin that is not allowed.
    pub(crate) fn is_cross_origin(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        // In HTTP/2 the host is only in the target.
        let host = text(headers, header::HOST).or_else(|| uri.authority().map(Authority::as_str));
        match text(headers, header::ORIGIN) {
            Some(origin) => !is_sent_from(headers, &["same-origin"]) && !self.accepts(origin, host),
            None => !self.any && is_sent_from(headers, &CROSS_SITE),
        }
    }

    /// Rejects requests that pages of other origins make a browser send.
    ///
    /// # Errors
    /// [`Code::Forbidden`], with the remedy.
    pub(crate) fn check(&self, request: &Parts) -> Result<(), Error> {
        let Parts { method, uri, headers, .. } = request;
        let runs_query = is_graphql(uri.path()) && uri.query().is_some_and(|query| !query.is_empty());
        if self.is_cross_origin(uri, headers) {
            // A followed link: the linking page cannot read the response.
            let is_link = method == Method::GET
                && headers.get(header::ORIGIN).is_none()
                && text(headers, "sec-fetch-mode") == Some("navigate")
                && text(headers, "sec-fetch-dest") == Some("document");
            if is_link && !runs_query {
                return Ok(());
            }
            let message = if is_sent_from(headers, &CROSS_SITE) {
                CROSS_ORIGIN.to_owned()
            } else {
                format!("{CROSS_ORIGIN}. {PROXY_HINT}")
            };
            return Err(Error::new(Code::Forbidden, message));
        }
        let lacks_fetch_metadata = headers.get(header::ORIGIN).is_none() && headers.get("sec-fetch-site").is_none();
        if runs_query && lacks_fetch_metadata && is_browser(headers) && !needs_preflight(headers) {
            let message = format!(
                "this browser sends neither Origin nor Sec-Fetch-Site: send one of the headers {}, or a Content-Type of \
                 application/json",
                PREFLIGHT_HEADERS.join(", ")
            );
            return Err(Error::new(Code::Forbidden, message));
        }
        Ok(())
    }

    /// Returns the CORS layer, or `None` if no other origin is allowed.
    pub(crate) fn cors(&self) -> Option<CorsLayer> {
        let listed: Vec<_> = self.listed.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect();
        let layer = CorsLayer::new()
            .allow_methods([Method::GET, Method::POST])
            // Clients and tracers add headers of their own; none of them has an effect here that simple headers lack.
            .allow_headers(AllowHeaders::mirror_request())
            .expose_headers([header::ETAG, header::RETRY_AFTER, header::WWW_AUTHENTICATE])
            .max_age(CORS_MAX_AGE);
        if self.any {
            Some(layer.allow_origin(Any))
        } else if listed.is_empty() {
            None
        } else {
            Some(layer.allow_origin(AllowOrigin::list(listed)).allow_credentials(true))
        }
    }
}

/// Whether the client is a browser, by `User-Agent`, which pages cannot change without a preflight. `PowerShell` sends
/// a browser's name.
fn is_browser(headers: &HeaderMap) -> bool {
    let agent = text(headers, header::USER_AGENT).unwrap_or_default();
    ["Mozilla/", "Opera/"].iter().any(|name| agent.starts_with(name)) && !agent.contains("PowerShell/")
}

/// Whether these headers required a CORS preflight. Only headers that always do are considered.
fn needs_preflight(headers: &HeaderMap) -> bool {
    let is_set = |name: &&str| text(headers, *name).is_some_and(|value| !value.is_empty());
    PREFLIGHT_HEADERS.iter().any(is_set) || MediaType::of_body(headers).is_json()
}
