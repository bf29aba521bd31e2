//! Where records go.

pub(crate) mod dry;
pub(crate) mod local;
pub(crate) mod remote;

use crate::{
    error::Error,
    ingest::{Missing, NewContext, NewSession, NumberedMetric},
    transfer::record::Refusal,
};

/// Stores records that are missing.
pub(crate) trait Target {
    /// Stores execution contexts.
    ///
    /// # Errors
    /// Nothing more is stored.
    async fn contexts(&mut self, contexts: Vec<NewContext>) -> Result<(), Error>;

    /// Stores sessions, and returns those that are refused.
    ///
    /// # Errors
    /// Nothing more is stored.
    async fn sessions(&mut self, sessions: Vec<NewSession>) -> Result<Vec<Refusal>, Error>;

    /// Stores at most 10,000 metrics.
    ///
    /// # Errors
    /// Nothing more is stored.
    async fn metrics(&mut self, metrics: Vec<NumberedMetric>) -> Result<Missing, Error>;
}
