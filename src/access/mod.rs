//! Who may enter: what callers send is turned into what they may do. Which field takes which scope, the schema says;
//! `graphql/access.rs` holds the two against each other.

mod caller;
mod token;

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use entity::{
    driver::executor::Reader,
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
pub(crate) use token::{hash, random as random_token};

/// How long the live tokens are remembered: from then on a revoked one is refused.
const REMEMBERED: Duration = Duration::from_secs(1);
/// How long before an unknown token is looked for again: it may have been made a moment ago.
const MISSED: Duration = Duration::from_millis(100);
/// Microseconds between two notes of the last use of a token.
const BETWEEN_NOTES: i64 = 60_000_000;

/// Microseconds since 1970 in UTC.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// The door: knows who may enter, and the tokens that are live.
#[derive(Clone)]
pub struct Access(Arc<Door>);

struct Door {
    mode: AccessMode,
    reader: Reader,
    ingest: Ingest,
    known: Mutex<Known>,
}

/// The live tokens as last read.
#[derive(Default)]
struct Known {
    read_at: Option<Instant>,
    live: Vec<Model>,
    /// When the use of a token was last noted, as far as the rows don't tell.
    noted: HashMap<i64, i64>,
}

impl Known {
    /// Reads them again, unless they were read within `age`.
    async fn refresh(&mut self, reader: &Reader, age: Duration) -> Result<(), DbErr> {
        if self.read_at.is_some_and(|at| at.elapsed() < age) {
            return Ok(());
        }
        let began = Instant::now();
        self.live = row::live(reader, now()).await?;
        self.read_at = Some(began);
        let Self { live, noted, .. } = self;
        noted.retain(|id, _| live.iter().any(|token| token.id == *id));
        Ok(())
    }

    /// The token with this hash. Each is compared in full, so that the time taken tells nothing of any.
    fn find(&self, hash: &[u8]) -> Option<&Model> {
        let now = now();
        let live = self.live.iter().filter(|token| token.is_live(now));
        live.fold(None, |found, token| if bool::from(token.hash.ct_eq(hash)) { Some(token) } else { found })
    }
}

impl Access {
    /// A door in this mode, before the tokens of `database`. The last use of each is noted through `ingest`.
    pub fn new(mode: AccessMode, database: &Database, ingest: Ingest) -> Self {
        Self(Arc::new(Door { mode, reader: database.access.clone(), ingest, known: Mutex::default() }))
    }

    /// Who may enter.
    pub(crate) fn mode(&self) -> AccessMode {
        self.0.mode
    }

    /// Who sends `credentials`, the value of an `Authorization` header: `Bearer TOKEN`, or `Basic` with the token as the
    /// password. Credentials that don't count, and a database that does not answer, make a caller who is refused everything,
    /// with the reason. An open server does not look at them: they may be meant for a proxy in front.
    pub async fn caller_of(&self, credentials: Option<&str>) -> Caller {
        let Door { mode, reader, ingest, known } = &*self.0;
        let Some(credentials) = credentials.filter(|_| *mode != AccessMode::Open) else {
            return Caller::without_token(*mode);
        };
        let Some(secret) = token::sent_in(credentials) else { return Caller::refused(caller::not_understood()) };
        let hash = token::hash(&secret);
        let mut known = known.lock().await;
        let age = if known.find(&hash).is_some() { REMEMBERED } else { MISSED };
        if let Err(error) = known.refresh(reader, age).await {
            return Caller::refused(error.into());
        }
        let Some(Model { id, scope, last_used_at, .. }) = known.find(&hash) else {
            return Caller::refused(caller::unknown_token());
        };
        let Some(scope) = Scope::named(scope) else { return Caller::refused(caller::unknown_token()) };
        let (id, now) = (*id, now());
        let last_noted = known.noted.get(&id).copied().max(*last_used_at);
        if last_noted.is_none_or(|last| now - last >= BETWEEN_NOTES) && ingest.note_token_use(id, now) {
            known.noted.insert(id, now);
        }
        Caller::with_token(*mode, id, scope)
    }

    /// Waits until the token of `caller` is no longer taken: for streams, which outlive the moment in which they were let in.
    /// For ever where there is no token. Gives what there is to say.
    pub(crate) async fn until_refused(self, caller: Caller) -> Error {
        let Some(token) = caller.token() else { return std::future::pending().await };
        // In a task of its own, which ends with this: a stream that nobody reads must not hold the tokens.
        let mut watch = JoinSet::new();
        watch.spawn(async move {
            loop {
                tokio::time::sleep(REMEMBERED).await;
                let mut known = self.0.known.lock().await;
                // A database that does not answer just now is no reason to hang up.
                let is_read = known.refresh(&self.0.reader, REMEMBERED).await.is_ok();
                if is_read && !known.live.iter().any(|live| live.id == token && live.is_live(now())) {
                    return;
                }
            }
        });
        watch.join_next().await;
        caller::unknown_token()
    }

    /// Warns of a server that stands open to the network, and of one that nobody could write to.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn warn(&self, address: IpAddr) -> Result<(), DbErr> {
        let remedy = "metrograph token create --name ci --scope ingest";
        if self.0.mode == AccessMode::Open {
            if !address.to_canonical().is_loopback() {
                tracing::warn!(
                    "everybody who reaches {address} may read and write: make tokens ({remedy}) and start with --access read \
                     or --access closed, or listen on a loopback address"
                );
            }
            return Ok(());
        }
        let live = row::live(&self.0.reader, now()).await?;
        if live.iter().all(|token| token.scope == Scope::Read.as_str()) {
            let what = if live.is_empty() && self.0.mode == AccessMode::Closed { "enter" } else { "write" };
            tracing::warn!("no live token lets anybody {what}: make one ({remedy})");
        }
        Ok(())
    }
}
