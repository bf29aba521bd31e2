//! Authentication: tokens, and the scopes that they grant. The schema states which field needs which scope;
//! `graphql/request/authorization.rs` checks one against the other.

mod caller;
mod token;

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use entity::{
    driver::{error_kind::ErrorKind, executor::Reader},
    table::access_token::{self as row, Model},
};
use sea_orm::DbErr;
use subtle::ConstantTimeEq as _;
use tokio::{sync::Mutex, task::JoinSet};

use crate::{
    config::{AccessMode, Scope},
    db::Database,
    error::Error,
    ingest::Ingest,
};
pub use caller::Caller;
pub(crate) use entity::time::now;
pub(crate) use token::{hash, random as random_token};

/// How long the live tokens are cached: the delay until a revoked one is rejected.
const CACHE_MAX_AGE: Duration = Duration::from_secs(1);
/// Minimum age of the cache before an unknown token makes it reload: the token may be new.
const MISS_MAX_AGE: Duration = Duration::from_millis(100);
/// Pause between two tries to read the tokens while the database is busy or out of reach.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// Minimum time between two updates of a token's last use, in microseconds.
const LAST_USE_INTERVAL: i64 = 60_000_000;

/// Authenticates callers: the access mode, and a cache of the live tokens.
#[derive(Clone)]
pub struct Access(Arc<Inner>);

struct Inner {
    mode: AccessMode,
    reader: Reader,
    ingest: Ingest,
    cache: Mutex<TokenCache>,
}

/// The live tokens as last read.
#[derive(Default)]
struct TokenCache {
    read_at: Option<Instant>,
    live: Vec<Model>,
    /// When the last use of a token was recorded, where the cached row is older.
    recorded: HashMap<i64, i64>,
}

impl TokenCache {
    /// Reloads the tokens, unless they are younger than `age`.
    async fn refresh(&mut self, reader: &Reader, age: Duration) -> Result<(), DbErr> {
        if self.read_at.is_some_and(|at| at.elapsed() < age) {
            return Ok(());
        }
        let began = Instant::now();
        self.live = row::live(reader, now()).await?;
        self.read_at = Some(began);
        let Self { live, recorded, .. } = self;
        recorded.retain(|id, _| live.iter().any(|token| token.id == *id));
        Ok(())
    }

    /// Finds the token with this hash. Compares each in constant time, so that timing reveals nothing.
    fn find(&self, hash: &[u8]) -> Option<&Model> {
        let now = now();
        let live = self.live.iter().filter(|token| token.is_live(now));
        live.fold(None, |found, token| if bool::from(token.hash.ct_eq(hash)) { Some(token) } else { found })
    }
}

impl Access {
    /// Creates the authentication for the tokens of `database`. Their last use is recorded through `ingest`.
    pub fn new(mode: AccessMode, database: &Database, ingest: Ingest) -> Self {
        Self(Arc::new(Inner { mode, reader: database.access.clone(), ingest, cache: Mutex::default() }))
    }

    /// Returns the access mode.
    pub(crate) fn mode(&self) -> AccessMode {
        self.0.mode
    }

    /// Authenticates `credentials`, the value of an `Authorization` header: `Bearer TOKEN`, or `Basic` with the token
    /// as the password. Invalid credentials, or an unavailable database, make a caller whose every request is rejected
    /// with that reason. In open mode credentials are ignored: they may be meant for a proxy.
    pub async fn caller_of(&self, credentials: Option<&str>) -> Caller {
        let Inner { mode, reader, ingest, cache } = &*self.0;
        let Some(credentials) = credentials.filter(|_| *mode != AccessMode::Open) else {
            return Caller::without_token(*mode);
        };
        let Some(secret) = token::sent_in(credentials) else { return Caller::refused(caller::not_understood()) };
        let hash = token::hash(&secret);
        let began = Instant::now();
        let mut cache = loop {
            let mut cache = cache.lock().await;
            let age = if cache.find(&hash).is_some() { CACHE_MAX_AGE } else { MISS_MAX_AGE };
            match cache.refresh(reader, age).await {
                Ok(()) => break cache,
                // A write must not fail because the database restarts; a revoked token must not be accepted meanwhile.
                Err(error) if ErrorKind::of(&error) == ErrorKind::Busy && began.elapsed() < ingest.patience() => {}
                Err(error) => return Caller::refused(error.into()),
            }
            drop(cache);
            tokio::time::sleep(RETRY_INTERVAL).await;
        };
        let Some(Model { id, name, scope, last_used_at, .. }) = cache.find(&hash) else {
            return Caller::refused(caller::unknown_token());
        };
        let Some(scope) = Scope::named(scope) else { return Caller::refused(caller::unknown_token()) };
        let caller = Caller::with_token(*mode, *id, name, scope);
        let (id, now) = (*id, now());
        let last_recorded = cache.recorded.get(&id).copied().max(*last_used_at);
        if last_recorded.is_none_or(|last| now - last >= LAST_USE_INTERVAL) && ingest.note_token_use(id, now) {
            cache.recorded.insert(id, now);
        }
        caller
    }

    /// Waits until the token of `caller` is revoked or expires, and returns the error; for ever without a token.
    /// Streams outlive their authentication.
    pub(crate) async fn until_refused(self, caller: Caller) -> Error {
        let Some(token) = caller.token() else { return std::future::pending().await };
        // In a task of its own, aborted with this future: a stream that is not polled must not hold the lock.
        let mut watch = JoinSet::new();
        watch.spawn(async move {
            loop {
                tokio::time::sleep(CACHE_MAX_AGE).await;
                let mut cache = self.0.cache.lock().await;
                // A failed read does not end the stream.
                let is_read = cache.refresh(&self.0.reader, CACHE_MAX_AGE).await.is_ok();
                if is_read && !cache.live.iter().any(|live| live.id == token && live.is_live(now())) {
                    return;
                }
            }
        });
        watch.join_next().await;
        caller::unknown_token()
    }

    /// Warns if the server is open to the network, or if no token can write.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn warn(&self, address: IpAddr) -> Result<(), DbErr> {
        let remedy = "metrograph token create --name ci --scope ingest";
        if self.0.mode == AccessMode::Open {
            if !address.to_canonical().is_loopback() {
                tracing::warn!(
                    "anyone who reaches {address} can read and write: create tokens ({remedy}) and start with --access read or \
                     --access closed, or listen on a loopback address"
                );
            }
            return Ok(());
        }
        let live = row::live(&self.0.reader, now()).await?;
        if live.iter().all(|token| token.scope == Scope::Read.as_str()) {
            let what = if live.is_empty() && self.0.mode == AccessMode::Closed { "read or write" } else { "write" };
            tracing::warn!("no valid token can {what}: create one ({remedy})");
        }
        Ok(())
    }
}
