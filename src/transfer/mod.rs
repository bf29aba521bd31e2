//! Bringing histories from one place to another: sources are read as records, whatever they are, and targets store those that are missing.
//!
//! A record is an execution context, a session or a metric. All sources are read in parts, so memory does not grow with them.

mod client;
mod copy;
mod export;
mod fingerprint;
mod ndjson;
mod record;
mod source;
mod summary;
mod target;

pub(crate) use client::Client;
pub(crate) use copy::{CopyError, Progress, copy};
pub(crate) use export::{ExportError, export};
pub(crate) use source::{Origin, SourceError};
pub(crate) use summary::Summary;
pub(crate) use target::{Target, dry::DryRun, local::Local, remote::Remote};
