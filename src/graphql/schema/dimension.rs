//! What metrics are grouped by.

use std::collections::HashSet;

use async_graphql::{Enum, OneofObject};
use entity::query::groups;

use crate::{error::Error, graphql::limits::MAX_GROUP_KEYS};

/// Something that each metric belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "entity::query::groups::Dimension")]
pub enum Dimension {
    /// The project of the session.
    Project,
    /// The component under test. Tests without one belong to the component with the empty name.
    Component,
    /// The test function, without its parameters.
    Item,
    /// The test function with its parameters.
    Variant,
    /// What was measured: `function` or `module`.
    Kind,
    /// The session.
    Session,
    /// The run of the session.
    Run,
    /// The pipeline of the session.
    Pipeline,
    /// The build of the session. Sessions of a pipeline without a build number have none.
    Build,
    /// The branch of the session.
    Branch,
    /// The revision under test.
    ScmRef,
    /// The execution context: a machine and its Python interpreter.
    Context,
    /// The network name of the machine.
    Machine,
    /// The class of the machine.
    MachineClass,
    /// Whether the test passed.
    Outcome,
}

/// A period of the calendar, on the clocks of the machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "entity::query::groups::TimeBucket")]
pub enum TimeBucket {
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// A week of ISO 8601, from Monday to Sunday.
    Week,
    /// A month.
    Month,
}

/// What metrics are grouped by: one of these.
#[derive(Debug, Clone, OneofObject)]
pub enum GroupBy {
    /// What they belong to.
    By(Dimension),
    /// The value of the session's tag of this name. Metrics of sessions without the tag are a group, too.
    Tag(String),
    /// The period in which the tests began.
    Time(TimeBucket),
}

impl From<GroupBy> for groups::GroupBy {
    fn from(by: GroupBy) -> Self {
        match by {
            GroupBy::By(dimension) => Self::By(dimension.into()),
            GroupBy::Tag(name) => Self::Tag(name),
            GroupBy::Time(bucket) => Self::Time(bucket.into()),
        }
    }
}

/// Checks what metrics are grouped by.
///
/// # Errors
/// [`crate::error::Code::BadUserInput`] if that is nothing, too much, or something twice.
pub fn check_keys(by: Vec<GroupBy>) -> Result<Vec<groups::GroupBy>, Error> {
    let by: Vec<groups::GroupBy> = by.into_iter().map(Into::into).collect();
    if by.is_empty() || by.len() > MAX_GROUP_KEYS {
        let found = by.len();
        return Err(Error::bad_input(format!("groupBy: give one to {MAX_GROUP_KEYS} things to group by, not {found}")));
    }
    let mut seen = HashSet::new();
    for by in &by {
        let (is_new, what) = match by {
            // A day is in one week: the shorter period says it all.
            groups::GroupBy::Time(_) => (seen.insert(None), "time"),
            groups::GroupBy::By(_) => (seen.insert(Some(by)), "by"),
            groups::GroupBy::Tag(_) => (seen.insert(Some(by)), "tag"),
        };
        if !is_new {
            return Err(Error::bad_input(format!("groupBy: {what} is given twice: leave one out")));
        }
    }
    Ok(by)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::{Dimension, GroupBy, TimeBucket, check_keys};

    #[test]
    fn one_to_three_different_things_are_grouped_by() {
        let tag = |name: &str| GroupBy::Tag(name.to_owned());
        let by = GroupBy::By;
        assert_eq!(check_keys(vec![by(Dimension::Item), tag("a"), tag("b")]).unwrap().len(), 3);
        for (wrong, reason) in [
            (vec![], "not 0"),
            (vec![by(Dimension::Item), tag("a"), tag("b"), tag("c")], "not 4"),
            (vec![by(Dimension::Item), by(Dimension::Item)], "by is given twice"),
            (vec![tag("a"), tag("a")], "tag is given twice"),
            (vec![GroupBy::Time(TimeBucket::Day), GroupBy::Time(TimeBucket::Week)], "time is given twice"),
        ] {
            let error = check_keys(wrong).unwrap_err().message;
            assert!(error.starts_with("groupBy: ") && error.contains(reason), "{error}");
        }
    }
}
