//! The `Host` header check. It prevents DNS rebinding: a site can resolve its own name to an address that only its
//! visitor's browser reaches, and its pages are then same-origin. The name in `Host` reveals it.

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use axum::http::{Request, Version, header, request::Parts, uri::Authority};

use crate::{
    config::{AccessMode, HostName, Settings},
    error::{Code, Error},
};

/// Rejects a request without exactly one well-formed host (RFC 9112, section 3.2): proxies and servers that choose
/// different ones of several hosts can be played off against each other.
///
/// # Errors
/// [`Code::BadUserInput`], with the expected form.
pub(crate) fn check_form<B>(request: &Request<B>) -> Result<(), Error> {
    let bad = |reason: &str| Err(Error::bad_input(format!("Host: {reason}")));
    let target = request.uri();
    let mut given = request.headers().get_all(header::HOST).iter();
    let host = match (given.next(), given.next()) {
        (None, _) if request.version() == Version::HTTP_11 => return bad("it is required: send the server's name"),
        (None, _) => return Ok(()),
        (Some(_), Some(_)) => return bad("it is given twice: send it once"),
        (Some(host), None) => host,
    };
    let host: Option<Authority> = host.to_str().ok().and_then(|host| host.parse().ok());
    let well_formed = |host: &Authority| {
        let (name, port) = (host.host(), host.as_str().strip_prefix(host.host()).unwrap_or("@"));
        let bracketed = name.strip_prefix('[').map(|name| name.strip_suffix(']').unwrap_or_default());
        let is_name = bracketed.map_or(!name.is_empty(), |address| address.parse::<Ipv6Addr>().is_ok());
        let digits = port.strip_prefix(':').unwrap_or(port);
        is_name && digits.bytes().all(|b| b.is_ascii_digit()) && (digits.is_empty() || host.port_u16().is_some())
    };
    let Some(host) = host.filter(well_formed) else {
        return bad("a name or an address is expected, and perhaps a port");
    };
    let default = if target.scheme_str() == Some("https") { 443 } else { 80 };
    let place = |host: &Authority| (host.host().to_ascii_lowercase(), host.port_u16().unwrap_or(default));
    match target.authority() {
        Some(named) if place(named) != place(&host) => {
            bad("the request's address names another one: send the same in both")
        }
        _ => Ok(()),
    }
}

/// The accepted host names besides localhost and IP addresses; `None` accepts any.
#[derive(Debug, Clone)]
pub(crate) struct Hosts(Option<Arc<[String]>>);

impl Hosts {
    pub(crate) fn new(settings: &Settings) -> Self {
        let given = &settings.exposure.hosts;
        let is_exposed = settings.listen.ip().to_canonical().is_loopback()
            && settings.tls.is_none()
            && settings.access.mode != AccessMode::Closed;
        if given.contains(&HostName::Any) || (given.is_empty() && !is_exposed) {
            return Self(None);
        }
        let names = given.iter().filter_map(|host| match host {
            HostName::Any => None,
            HostName::Name(name) => Some(name.clone()),
        });
        Self(Some(names.collect()))
    }

    /// Rejects requests for other host names.
    ///
    /// # Errors
    /// [`Code::Forbidden`], with the remedy.
    pub(crate) fn check(&self, request: &Parts) -> Result<(), Error> {
        let Some(names) = &self.0 else { return Ok(()) };
        // Browsers always send `Host`. In HTTP/2 it is only in the target.
        let given = request.headers.get(header::HOST).map(|host| host.to_str().unwrap_or_default());
        let Some(given) = given.or_else(|| request.uri.authority().map(Authority::as_str)) else { return Ok(()) };
        let name = given.parse().map(|host: Authority| host.host().trim_end_matches('.').to_ascii_lowercase());
        let name = name.unwrap_or_default();
        let is_address = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        if is_address || name == "localhost" || name.ends_with(".localhost") || names.contains(&name) {
            return Ok(());
        }
        let message = format!("Host: the name {given:?} is not accepted; --hosts lists the names to accept");
        Err(Error::new(Code::Forbidden, message))
    }
}
