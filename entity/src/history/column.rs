//! The columns of metrics.

use crate::resource::Resource;

/// A table that metrics refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Dimension {
    /// `session`.
    Session,
    /// `execution_context`.
    Context,
    /// `variant`.
    Variant,
}

impl Dimension {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Session, Self::Context, Self::Variant];
}

/// A column of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    /// The keys.
    Key,
    /// The keys of the sessions, contexts or variants.
    Of(Dimension),
    /// When the tests began, in microseconds.
    StartedAt,
    /// Whether the tests passed: 0 if not sent, 1 for no, 2 for yes.
    Passed,
    /// The values of a resource.
    Resource(Resource),
}

impl Column {
    /// All of them.
    pub(crate) const ALL: [Self; 11] = [
        Self::Key,
        Self::Of(Dimension::Session),
        Self::Of(Dimension::Context),
        Self::Of(Dimension::Variant),
        Self::StartedAt,
        Self::Passed,
        Self::Resource(Resource::TotalTime),
        Self::Resource(Resource::UserTime),
        Self::Resource(Resource::KernelTime),
        Self::Resource(Resource::CpuUsage),
        Self::Resource(Resource::MemoryUsage),
    ];

    /// Returns the position in [`Self::ALL`].
    pub(crate) fn index(self) -> usize {
        match self {
            Self::Key => 0,
            Self::Of(Dimension::Session) => 1,
            Self::Of(Dimension::Context) => 2,
            Self::Of(Dimension::Variant) => 3,
            Self::StartedAt => 4,
            Self::Passed => 5,
            Self::Resource(resource) => 6 + resource.index(),
        }
    }
}

/// Returns how [`Column::Passed`] holds `passed`.
pub(crate) fn passed_to_integer(passed: Option<bool>) -> i64 {
    match passed {
        None => 0,
        Some(false) => 1,
        Some(true) => 2,
    }
}

/// The inverse of [`passed_to_integer`].
pub(crate) fn passed_of_integer(integer: i64) -> Option<bool> {
    match integer {
        1 => Some(false),
        2 => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Column, passed_of_integer, passed_to_integer};

    #[test]
    fn columns_are_found_at_their_positions() {
        for (index, column) in Column::ALL.into_iter().enumerate() {
            assert_eq!(column.index(), index);
        }
        for passed in [None, Some(false), Some(true)] {
            assert_eq!(passed_of_integer(passed_to_integer(passed)), passed);
        }
    }
}
