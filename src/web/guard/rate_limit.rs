//! The rate limit of `--rate-limit`, shared by GraphQL, REST and sockets.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use axum::{extract::ConnectInfo, http::request::Parts};
use governor::{
    DefaultDirectRateLimiter, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
};
use quick_cache::sync::Cache;

use crate::{
    access::Caller,
    config::{Rate, RateLimit},
    error::{Code, Error},
    web::limits::RATE_LIMIT_CAPACITY,
};

/// Identifies a client: by token, else by IP address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Token(i64),
    Address(IpAddr),
}

/// Returns the address that `request` comes from.
fn address(request: &Parts) -> Key {
    let peer = request.extensions.get::<ConnectInfo<SocketAddr>>();
    Key::Address(peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| network(peer.ip())))
}

/// Returns the /64 network of an IPv6 address, all of which belongs to one client.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
        address @ IpAddr::V4(_) => address,
    }
}

/// The rate limiters of all clients.
#[derive(Clone)]
pub(crate) struct RateLimiters(Option<Arc<Inner>>);

struct Inner {
    rate: Rate,
    quota: Quota,
    clients: Cache<Key, Arc<DefaultDirectRateLimiter>>,
}

impl RateLimiters {
    pub(crate) fn new(RateLimit(rate): RateLimit) -> Self {
        let inner = rate.and_then(|rate| {
            let quota = Quota::with_period(rate.per / rate.requests.get())?.allow_burst(rate.requests);
            Some(Arc::new(Inner { rate, quota, clients: Cache::new(RATE_LIMIT_CAPACITY) }))
        });
        Self(inner)
    }

    /// Returns the client that sent `request`.
    pub(crate) fn client(&self, request: &Parts) -> Client {
        let client = Client(self.0.clone().map(|inner| (inner, address(request))));
        match request.extensions.get::<Caller>() {
            Some(caller) => client.with_token_of(caller),
            None => client,
        }
    }
}

/// A client whose requests are counted.
#[derive(Clone)]
pub(crate) struct Client(Option<(Arc<Inner>, Key)>);

impl Client {
    /// Returns the same client, counted by the token of `caller` if it has a valid one. An invalid one would bypass the
    /// limit.
    pub(crate) fn with_token_of(self, caller: &Caller) -> Self {
        let Self(inner) = self;
        Self(inner.map(|(inner, key)| (inner, caller.token().map_or(key, Key::Token))))
    }

    /// Counts a request.
    ///
    /// # Errors
    /// [`Code::RateLimited`], with the time to wait.
    pub(crate) fn check_rate(&self) -> Result<(), Error> {
        let Some((inner, key)) = &self.0 else { return Ok(()) };
        let client =
            inner.clients.get_or_insert_with(key, || Ok::<_, Error>(Arc::new(RateLimiter::direct(inner.quota))))?;
        client.check().map_err(|refused| {
            let wait = refused.wait_time_from(DefaultClock::default().now());
            // Rounded up to whole seconds.
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            let Rate { requests, per } = inner.rate;
            let message =
                format!("at most {requests} requests in {} s (--rate-limit): retry in {seconds} s", per.as_secs());
            Error { retry_after: Some(seconds), ..Error::new(Code::RateLimited, message) }
        })
    }
}
