//! A source that is being read, and why one can't be.

use sea_orm::DbErr;
use tokio::sync::mpsc;

use crate::{db::OpenError, transfer::record::Part};

/// Why a source can't be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    /// A file or database that can't be read, with the reason and the remedy.
    #[error("{0}: {1}")]
    Unreadable(String, String),
    /// A database of Metrograph that can't be opened.
    #[error("{0}: {1}")]
    Unusable(String, OpenError),
    /// It failed while it was read.
    #[error("{0}: it can't be read further: {1}")]
    Failed(String, DbErr),
}

/// A source that is being read.
pub(crate) struct Reading {
    pub parts: mpsc::Receiver<Result<Part, SourceError>>,
    /// Its length, in the unit of [`Part::position`].
    pub length: Option<u64>,
}

/// Takes the parts of a source.
pub(super) type Sender = mpsc::Sender<Result<Part, SourceError>>;
