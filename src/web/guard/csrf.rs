//! Which pages may ask: our own, and those of sites that were named. What is no browser says neither `Origin` nor
//! `Sec-Fetch-Site`, and is let in.
//!
//! A page is our own if its origin is the host that is asked, or if the browser says `Sec-Fetch-Site: same-origin`, which no page can
//! set: a proxy in front may ask under another `Host`. Neither tells a name that was made to lead here from ours: `hosts` goes first.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, Method, Uri, header, request::Parts, uri::Authority};
use tower_http::cors::{AllowHeaders, AllowOrigin, Any, CorsLayer};

use crate::{
    config::CorsOrigin,
    error::{Code, Error},
    http::media_type::MediaType,
    web::{guard::paths::is_graphql, limits::CORS_MAX_AGE},
};

/// A page can set them only after the browser has asked whether it may: the names that Apollo's clients and servers use.
const PREFLIGHT: [&str; 3] = ["x-apollo-operation-name", "apollo-require-preflight", "graphql-require-preflight"];

/// What `Sec-Fetch-Site` says of pages that are not ours.
const FOREIGN: [&str; 2] = ["cross-site", "same-site"];
/// What pages of other sites are told.
const STRANGE: &str = "Origin: pages of another site may not ask here; --cors-origin names the sites whose pages may";
/// What is added where the browser does not say that it is another site.
const PERHAPS_OURS: &str = "If this is a page of this server's own behind a proxy, let the proxy pass Host on as the browser sent \
    it, with its port (nginx: proxy_set_header Host $http_host), since this browser does not say Sec-Fetch-Site";

/// The sites that were named.
#[derive(Debug, Clone)]
pub(crate) struct Origins {
    any: bool,
    named: Arc<[String]>,
}

fn text(headers: &HeaderMap, name: impl header::AsHeaderName) -> Option<&str> {
    headers.get(name).map(|value| value.to_str().unwrap_or_default())
}

/// Whether the browser says that one of these asks.
fn asks(headers: &HeaderMap, sites: &[&str]) -> bool {
    text(headers, "sec-fetch-site").is_some_and(|said| sites.iter().any(|site| said.eq_ignore_ascii_case(site)))
}

/// Whether `Host` names this origin. Browsers leave the port of a scheme out of both; some proxies write it.
fn is_of_host(origin: &str, host: &str) -> bool {
    let Some((scheme, own)) = origin.split_once("://") else { return false };
    let port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => "",
    };
    host.eq_ignore_ascii_case(own) || host.strip_suffix(port).is_some_and(|name| name.eq_ignore_ascii_case(own))
}

impl Origins {
    pub(crate) fn new(given: &[CorsOrigin]) -> Self {
        let named = given.iter().filter_map(|origin| match origin {
            CorsOrigin::Any => None,
            CorsOrigin::Site(site) => Some(site.clone()),
        });
        Self { any: given.contains(&CorsOrigin::Any), named: named.collect() }
    }

    fn accepts(&self, origin: &str, host: Option<&str>) -> bool {
        self.any
            || self.named.iter().any(|named| named.eq_ignore_ascii_case(origin))
            || host.is_some_and(|host| is_of_host(origin, host))
    }

    /// Whether a browser says that a page of another site asks, which was not named.
    pub(crate) fn is_foreign(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        // HTTP/2 has the host in its address alone.
        let host = text(headers, header::HOST).or_else(|| uri.authority().map(Authority::as_str));
        match text(headers, header::ORIGIN) {
            Some(origin) => !asks(headers, &["same-origin"]) && !self.accepts(origin, host),
            None => !self.any && asks(headers, &FOREIGN),
        }
    }

    /// Refuses what a page of another site makes a browser send.
    ///
    /// # Errors
    /// [`Code::Forbidden`], with what to do about it.
    pub(crate) fn check(&self, request: &Parts) -> Result<(), Error> {
        let Parts { method, uri, headers, .. } = request;
        let runs_query = is_graphql(uri.path()) && uri.query().is_some_and(|query| !query.is_empty());
        if self.is_foreign(uri, headers) {
            // Somebody follows a link: the page it stands on learns nothing of the answer.
            let is_link = method == Method::GET
                && headers.get(header::ORIGIN).is_none()
                && text(headers, "sec-fetch-mode") == Some("navigate")
                && text(headers, "sec-fetch-dest") == Some("document");
            if is_link && !runs_query {
                return Ok(());
            }
            let message =
                if asks(headers, &FOREIGN) { STRANGE.to_owned() } else { format!("{STRANGE}. {PERHAPS_OURS}") };
            return Err(Error::new(Code::Forbidden, message));
        }
        let is_mute = headers.get(header::ORIGIN).is_none() && headers.get("sec-fetch-site").is_none();
        if runs_query && is_mute && is_browser(headers) && !was_asked(headers) {
            let message = format!(
                "this browser does not say which site's page asks: send one of the headers {}, or a Content-Type of \
                 application/json",
                PREFLIGHT.join(", ")
            );
            return Err(Error::new(Code::Forbidden, message));
        }
        Ok(())
    }

    /// Answers browsers that ask whether a page may; `None` where no site was named.
    pub(crate) fn cors(&self) -> Option<CorsLayer> {
        let named: Vec<_> = self.named.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect();
        let layer = CorsLayer::new()
            .allow_methods([Method::GET, Method::POST])
            // Clients and what traces them have headers of their own; none means more here than those that everybody may send.
            .allow_headers(AllowHeaders::mirror_request())
            .expose_headers([header::ETAG, header::RETRY_AFTER, header::WWW_AUTHENTICATE])
            .max_age(CORS_MAX_AGE);
        if self.any {
            Some(layer.allow_origin(Any))
        } else if named.is_empty() {
            None
        } else {
            Some(layer.allow_origin(AllowOrigin::list(named)).allow_credentials(true))
        }
    }
}

/// Whether a browser sends them, by the name that it goes by, which no page can change unasked. `PowerShell` goes by a browser's.
fn is_browser(headers: &HeaderMap) -> bool {
    let agent = text(headers, header::USER_AGENT).unwrap_or_default();
    ["Mozilla/", "Opera/"].iter().any(|name| agent.starts_with(name)) && !agent.contains("PowerShell/")
}

/// Whether these headers show that a page had to ask before it could send them. Only what is sure to need asking does.
fn was_asked(headers: &HeaderMap) -> bool {
    let is_set = |name: &&str| text(headers, *name).is_some_and(|value| !value.is_empty());
    PREFLIGHT.iter().any(is_set) || MediaType::of_body(headers).is_json()
}
