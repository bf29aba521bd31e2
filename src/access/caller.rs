//! The caller of a request and its scopes.

use std::sync::Arc;

use crate::{
    config::{AccessMode, Scope},
    error::{Code, Error},
};

const EVERYTHING: &[Scope] = &[Scope::Read, Scope::Ingest, Scope::Admin];

/// The caller of a request.
#[derive(Debug, Clone)]
pub struct Caller {
    token: Option<(i64, Arc<str>)>,
    scopes: Result<&'static [Scope], Error>,
    /// Whether tokens are ignored.
    is_open: bool,
}

/// Returns the scopes of a token of this scope; `None`: without a token.
fn scopes(mode: AccessMode, token: Option<Scope>) -> &'static [Scope] {
    match (mode, token) {
        (AccessMode::Read | AccessMode::Closed, Some(Scope::Admin)) => EVERYTHING,
        // Tokens are ignored, and nobody deletes anything without one.
        (AccessMode::Open, _) | (AccessMode::Read, Some(Scope::Ingest)) => &[Scope::Read, Scope::Ingest],
        (AccessMode::Read, _) | (AccessMode::Closed, Some(Scope::Read)) => &[Scope::Read],
        (AccessMode::Closed, Some(Scope::Ingest)) => &[Scope::Ingest],
        (AccessMode::Closed, None) => &[],
    }
}

impl Caller {
    pub(super) fn without_token(mode: AccessMode) -> Self {
        Self { token: None, scopes: Ok(scopes(mode, None)), is_open: mode == AccessMode::Open }
    }

    pub(super) fn with_token(mode: AccessMode, token: i64, name: &str, scope: Scope) -> Self {
        Self { token: Some((token, name.into())), scopes: Ok(scopes(mode, Some(scope))), is_open: false }
    }

    pub(super) fn refused(reason: Error) -> Self {
        Self { token: None, scopes: Err(reason), is_open: false }
    }

    /// Returns the key of a valid token.
    pub(crate) fn token(&self) -> Option<i64> {
        self.token.as_ref().map(|(token, _)| *token)
    }

    /// Returns the name of a valid token.
    pub(crate) fn token_name(&self) -> Option<Arc<str>> {
        self.token.as_ref().map(|(_, name)| Arc::clone(name))
    }

    /// Whether every scope is granted, so that nothing needs to be checked.
    pub(crate) fn may_everything(&self) -> bool {
        matches!(self.scopes, Ok(scopes) if scopes.len() == EVERYTHING.len())
    }

    /// Rejects invalid credentials. Missing ones are accepted.
    ///
    /// # Errors
    /// [`Code::Unauthenticated`]; [`Code::DatabaseUnavailable`] if the tokens cannot be read.
    pub(crate) fn verify(&self) -> Result<(), Error> {
        self.scopes.clone().map(drop)
    }

    /// Rejects callers without any scope, before the request is read.
    ///
    /// # Errors
    /// Those of [`Self::verify`].
    pub(crate) fn enter(&self) -> Result<(), Error> {
        if self.scopes.clone()?.is_empty() { Err(token_needed()) } else { Ok(()) }
    }

    /// Rejects callers without the scope READ.
    ///
    /// # Errors
    /// Those of [`Self::check`].
    pub(crate) fn may_read(&self) -> Result<(), Error> {
        self.check(&[Scope::Read])
    }

    /// Rejects callers that lack one of the scopes.
    ///
    /// # Errors
    /// Those of [`Self::enter`]; [`Code::Forbidden`] if another token would be accepted.
    pub(crate) fn check(&self, needed: &[Scope]) -> Result<(), Error> {
        self.enter()?;
        let scopes = self.scopes.clone()?;
        // A token with the scope admin has all others.
        let lacking = needed.iter().filter(|scope| !scopes.contains(scope)).min_by_key(|scope| **scope != Scope::Admin);
        let Some(lacking) = lacking else { return Ok(()) };
        let scope = lacking.as_str();
        if self.is_open {
            let message = "this requires a token with the scope admin, and --access open ignores tokens: set --access read or closed; \
                           metrograph delete needs no token";
            return Err(Error::lacks(scope, message));
        }
        if self.token.is_none() {
            return Err(token_needed());
        }
        let or_admin = if *lacking == Scope::Admin { "" } else { " or admin" };
        Err(Error::lacks(scope, format!("this requires a token with the scope {scope}{or_admin}")))
    }
}

fn unauthenticated(message: &str) -> Error {
    Error::new(Code::Unauthenticated, message)
}

fn token_needed() -> Error {
    unauthenticated(
        "Authorization: a token is required: send Bearer TOKEN, or Basic with the token as the password; metrograph token \
         create makes one",
    )
}

pub(super) fn not_understood() -> Error {
    unauthenticated("Authorization: send Bearer TOKEN, or Basic with the token as the password, once")
}

pub(super) fn unknown_token() -> Error {
    unauthenticated(
        "Authorization: the token is unknown, expired or revoked: send another one; metrograph token create makes one",
    )
}
