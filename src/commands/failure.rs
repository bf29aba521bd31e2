//! Why a command fails.

/// Why a command failed.
pub(super) enum Failure {
    /// It did not start, or failed.
    Refused(String),
    /// The server ended irregularly. The log has the reason.
    Ended(u8),
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self::Refused(reason)
    }
}
