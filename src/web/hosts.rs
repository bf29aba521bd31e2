//! Which names this server goes by. A site can make its own name lead to an address that only the browser of its visitor reaches
//! (DNS rebinding): to the browser its pages are then ours. What gives them away is that name.

use std::{net::IpAddr, sync::Arc};

use axum::http::{header, request::Parts, uri::Authority};

use crate::{
    config::{AccessMode, HostName, Settings},
    error::{Code, Error},
};

/// The names that are taken, beside localhost and addresses; `None`: any.
#[derive(Debug, Clone)]
pub(super) struct Hosts(Option<Arc<[String]>>);

impl Hosts {
    pub(super) fn new(settings: &Settings) -> Self {
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

    /// Refuses what was sent to another name.
    ///
    /// # Errors
    /// [`Code::Forbidden`], with what to do about it.
    pub(super) fn check(&self, request: &Parts) -> Result<(), Error> {
        let Some(names) = &self.0 else { return Ok(()) };
        // Whoever sends no Host is no browser. HTTP/2 has it in the address alone.
        let given = request.headers.get(header::HOST).map(|host| host.to_str().unwrap_or_default());
        let Some(given) = given.or_else(|| request.uri.authority().map(Authority::as_str)) else { return Ok(()) };
        let name = given.parse().map(|host: Authority| host.host().trim_end_matches('.').to_ascii_lowercase());
        let name = name.unwrap_or_default();
        let is_address = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        if is_address || name == "localhost" || name.ends_with(".localhost") || names.contains(&name) {
            return Ok(());
        }
        let message = format!("Host: this server does not go by the name {given:?}; --hosts names those that it has");
        Err(Error::new(Code::Forbidden, message))
    }
}
