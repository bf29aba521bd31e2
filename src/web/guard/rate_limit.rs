//! How many requests one client may send: counted here for GraphQL, REST and sockets.

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

/// Who is counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Token(i64),
    Address(IpAddr),
}

/// The address that `request` comes from.
fn address(request: &Parts) -> Key {
    let peer = request.extensions.get::<ConnectInfo<SocketAddr>>();
    Key::Address(peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| network(peer.ip())))
}

/// Whoever has one address of IPv6 has all of its network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
        address @ IpAddr::V4(_) => address,
    }
}

/// Counts the requests of every client.
#[derive(Clone)]
pub(crate) struct Rates(Option<Arc<Counted>>);

struct Counted {
    rate: Rate,
    quota: Quota,
    clients: Cache<Key, Arc<DefaultDirectRateLimiter>>,
}

impl Rates {
    pub(crate) fn new(RateLimit(rate): RateLimit) -> Self {
        let counted = rate.and_then(|rate| {
            let quota = Quota::with_period(rate.per / rate.requests.get())?.allow_burst(rate.requests);
            Some(Arc::new(Counted { rate, quota, clients: Cache::new(RATE_LIMIT_CAPACITY) }))
        });
        Self(counted)
    }

    /// Whoever sends `request`.
    pub(crate) fn client(&self, request: &Parts) -> Client {
        let client = Client(self.0.clone().map(|counted| (counted, address(request))));
        match request.extensions.get::<Caller>() {
            Some(caller) => client.known_as(caller),
            None => client,
        }
    }
}

/// Whose requests are counted.
#[derive(Clone)]
pub(crate) struct Client(Option<(Arc<Counted>, Key)>);

impl Client {
    /// The same client, once it has said who it is. A token counts in place of the address, but not one that is made up: that would
    /// be a way round.
    pub(crate) fn known_as(self, caller: &Caller) -> Self {
        let Self(counted) = self;
        Self(counted.map(|(counted, key)| (counted, caller.token().map_or(key, Key::Token))))
    }

    /// Counts one more request.
    ///
    /// # Errors
    /// [`Code::RateLimited`], where there were too many.
    pub(crate) fn admit(&self) -> Result<(), Error> {
        let Some((counted, key)) = &self.0 else { return Ok(()) };
        let client =
            counted.clients.get_or_insert_with(key, || Ok::<_, Error>(Arc::new(RateLimiter::direct(counted.quota))))?;
        client.check().map_err(|refused| {
            let wait = refused.wait_time_from(DefaultClock::default().now());
            // Whole seconds until the next request is let in.
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            let Rate { requests, per } = counted.rate;
            let message = format!(
                "at most {requests} requests in {} s (--rate-limit): the next one is let in in {seconds} s",
                per.as_secs()
            );
            Error { retry_after: Some(seconds), ..Error::new(Code::RateLimited, message) }
        })
    }
}
