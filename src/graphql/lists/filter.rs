//! Filters of `where` arguments.

use async_graphql::{ContextBase, Enum, InputObject, InputType, Value};
use entity::{
    filter::{Number, Text, Tree},
    list::{self, FirstSeen},
    table::{branch, build, pipeline},
};

use crate::{
    error::Error,
    graphql::{
        limits::{MAX_FILTER_CONDITIONS, MAX_FILTER_VALUES, MAX_IN_VALUES, MAX_PATTERN_BYTES},
        lists::filter_names,
        scalars::LocalDateTime,
    },
};

/// Filter for a text. All given conditions must match.
#[derive(Debug, Clone, InputObject)]
pub struct StringFilter {
    /// Equal to this text.
    eq: Option<String>,
    /// Equal to one of these texts, at most 1000.
    #[graphql(name = "in")]
    any_of: Option<Vec<String>>,
    /// Matches this SQL LIKE pattern of at most 4096 bytes. `%` matches any sequence of characters and `_` any single
    /// one; there is no escape character. ASCII letters match case-insensitively.
    like: Option<String>,
    /// Contains a match of this pattern, which is written as for `like`.
    contains: Option<String>,
    /// Starts with this text, case-sensitively.
    starts_with: Option<String>,
}

impl StringFilter {
    /// Checks the limits. `field` names the filter in the error.
    pub fn check(self, field: &str) -> Result<Text, Error> {
        let Self { eq, any_of, like, contains, starts_with } = self;
        for (pattern, name) in [(&like, "like"), (&contains, "contains")] {
            if pattern.as_ref().is_some_and(|pattern| pattern.len() > MAX_PATTERN_BYTES) {
                let message = format!("{field}.{name}: a pattern has at most {MAX_PATTERN_BYTES} bytes: shorten it");
                return Err(Error::bad_input(message));
            }
        }
        let like = like.into_iter().chain(contains.map(|pattern| format!("%{pattern}%"))).collect();
        check_count(any_of.as_deref(), field)?;
        Ok(Text { eq, any_of, like, starts_with })
    }
}

/// Checks the number of values of an `in`. `field` names the filter in the error.
pub fn check_count<T>(values: Option<&[T]>, field: &str) -> Result<(), Error> {
    match values {
        Some(values) if values.len() > MAX_IN_VALUES => {
            Err(Error::bad_input(format!("{field}.in: at most {MAX_IN_VALUES} values at a time")))
        }
        _ => Ok(()),
    }
}

macro_rules! number_filter {
    ($(#[doc = $doc:literal])* $Filter:ident, $Input:ty, $Stored:ty, $convert:expr) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, InputObject)]
        pub struct $Filter {
            /// Equal to.
            eq: Option<$Input>,
            /// Equal to one of these values, at most 1000.
            #[graphql(name = "in")]
            any_of: Option<Vec<$Input>>,
            /// Greater than (later than).
            gt: Option<$Input>,
            /// Greater than (later than) or equal to.
            gte: Option<$Input>,
            /// Less than (earlier than).
            lt: Option<$Input>,
            /// Less than (earlier than) or equal to.
            lte: Option<$Input>,
        }

        impl $Filter {
            /// Checks the limits. `field` names the filter in the error.
            pub fn check(self, field: &str) -> Result<Number<$Stored>, Error> {
                let Self { eq, any_of, gt, gte, lt, lte } = self;
                check_count(any_of.as_deref(), field)?;
                let convert: fn($Input) -> $Stored = $convert;
                Ok(Number {
                    eq: eq.map(convert),
                    any_of: any_of.map(|all| all.into_iter().map(convert).collect()),
                    gt: gt.map(convert),
                    gte: gte.map(convert),
                    lt: lt.map(convert),
                    lte: lte.map(convert),
                })
            }
        }
    };
}

number_filter!(
    #[doc = "Filter for a number. All given conditions must match."]
    FloatFilter,
    f64,
    f64,
    |number| number
);
number_filter!(
    #[doc = "Filter for an integer. All given conditions must match."]
    IntFilter,
    i64,
    i64,
    |number| number
);
number_filter!(
    #[doc = "Filter for a local date and time. All given conditions must match. Time zones are ignored: times are compared as written."]
    DateTimeFilter,
    LocalDateTime,
    i64,
    |time| time.0.micros
);

/// Checks an optional condition; `$field` is its name in the schema. One without members is none: `pipeline: {}` takes metrics that
/// have no pipeline, too.
macro_rules! check {
    ($filter:expr, $field:literal) => {
        $filter
            .map(|filter| filter.check(concat!("where.", $field)))
            .transpose()?
            .filter(|condition| *condition != Default::default())
    };
}
pub(crate) use check;

/// The size of a filter: what it costs to render as SQL.
#[derive(Default)]
struct FilterSize {
    conditions: usize,
    values: usize,
}

impl FilterSize {
    fn add(&mut self, value: &Value) -> Result<(), Error> {
        match value {
            Value::Null => return Ok(()),
            Value::Object(members) => {
                self.conditions += 1;
                members.values().try_for_each(|member| self.add(member))?;
            }
            Value::List(items) if items.iter().all(|item| matches!(item, Value::Object(_))) => {
                items.iter().try_for_each(|item| self.add(item))?;
            }
            Value::List(values) => self.values += values.len(),
            _ => self.conditions += 1,
        }
        let (max, message) = if self.conditions > MAX_FILTER_CONDITIONS {
            (MAX_FILTER_CONDITIONS, "conditions, the objects around them counted too")
        } else if self.values > MAX_FILTER_VALUES {
            (MAX_FILTER_VALUES, "values of every `in` together")
        } else {
            return Ok(());
        };
        Err(Error::bad_input(format!("where: at most {max} {message}")))
    }
}

/// The `where` argument of a type's lists.
pub trait Where: InputType {
    /// The conditions of the type, as queries take them.
    type Filter;

    /// Splits it into the conditions of the type and those nested in `and`, `or` and `not`.
    fn split(self) -> Result<(Self::Filter, Connectives<Self>), Error>;

    /// Checks the limits, notes the names, and converts the filter to a condition.
    fn check<T>(self, ctx: &ContextBase<'_, T>) -> Result<Tree<Self::Filter>, Error> {
        let value = self.to_value();
        FilterSize::default().add(&value)?;
        filter_names::note(ctx, &Self::type_name(), &value);
        self.into_tree()
    }

    /// Converts the filter to a condition without checking its size.
    fn into_tree(self) -> Result<Tree<Self::Filter>, Error> {
        let (own, Connectives { and, or, not }) = self.split()?;
        let all = |list: Vec<Self>| list.into_iter().map(Self::into_tree).collect::<Result<Vec<_>, _>>();
        Ok(Tree {
            own,
            and: all(and.unwrap_or_default())?,
            or: or.map(all).transpose()?,
            not: not.map(|not| not.into_tree()).transpose()?.map(Box::new),
        })
    }
}

/// `and`, `or` and `not` of a `where`.
pub struct Connectives<W> {
    pub and: Option<Vec<W>>,
    pub or: Option<Vec<W>>,
    pub not: Option<Box<W>>,
}

/// Sort direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum)]
pub enum Direction {
    /// Ascending: smallest, earliest or oldest first.
    #[default]
    Asc,
    /// Descending: greatest, latest or newest first.
    Desc,
}

impl Direction {
    /// Returns the order by `by` in this direction.
    pub fn order<S>(self, by: S) -> list::Order<S> {
        list::Order { by, descending: self == Self::Desc }
    }
}

/// Sort keys of components, items, variants and tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum FirstSeenOrderField {
    /// When the name first appeared in a request.
    FirstSeen,
}

/// Sort order of components, items, variants and tags.
#[derive(Debug, Clone, Copy, InputObject)]
pub struct FirstSeenOrder {
    /// The sort key.
    by: FirstSeenOrderField,
    /// The sort direction.
    #[graphql(default)]
    direction: Direction,
}

impl From<FirstSeenOrder> for list::Order<FirstSeen> {
    fn from(FirstSeenOrder { by, direction }: FirstSeenOrder) -> Self {
        direction.order(match by {
            FirstSeenOrderField::FirstSeen => FirstSeen::FirstSeen,
        })
    }
}

/// Sort keys of pipelines, builds and branches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum LatestRunOrderField {
    /// Start time of the latest run, on the clock of its machine. If all sessions are in runs of others, as the tag `run_id` allows, that
    /// of the latest session.
    RunDate,
    /// When the first session was announced.
    FirstSeen,
}

/// Sort order of pipelines, builds and branches.
#[derive(Debug, Clone, Copy, InputObject)]
pub struct LatestRunOrder {
    /// The sort key.
    by: LatestRunOrderField,
    /// The sort direction.
    #[graphql(default)]
    direction: Direction,
}

/// Turns a [`LatestRunOrder`] into that of these tables.
macro_rules! order_of_latest_run {
    ($($table:ident),*) => {
        $(impl From<LatestRunOrder> for list::Order<$table::Sort> {
            fn from(LatestRunOrder { by, direction }: LatestRunOrder) -> Self {
                direction.order(match by {
                    LatestRunOrderField::RunDate => $table::Sort::RunDate,
                    LatestRunOrderField::FirstSeen => $table::Sort::FirstSeen,
                })
            }
        })*
    };
}

order_of_latest_run!(branch, build, pipeline);

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use async_graphql::Value;
    use serde_json::{Value as Json, json};

    use crate::{error::Error, graphql::lists::filter::FilterSize};

    fn size(filter: Json) -> Result<(usize, usize), Error> {
        let mut size = FilterSize::default();
        size.add(&Value::from_json(filter).unwrap())?;
        Ok((size.conditions, size.values))
    }

    #[test]
    fn objects_and_conditions_of_a_filter_are_counted() {
        assert_eq!(size(json!({})).unwrap(), (1, 0));
        assert_eq!(size(json!({ "name": { "eq": "a", "like": null } })).unwrap(), (3, 0));
        assert_eq!(size(json!({ "or": [{ "name": { "in": ["a", "b"] } }, {}] })).unwrap(), (4, 2));
    }

    #[test]
    fn a_filter_of_many_conditions_or_values_is_bad_input() {
        let conditions = |count: usize| json!({ "or": vec![json!({}); count] });
        assert_eq!(size(conditions(399)).unwrap(), (400, 0));
        assert!(size(conditions(400)).unwrap_err().message.starts_with("where: at most 400 conditions"));
        let values = |count: usize| json!({ "name": { "in": vec!["a"; count] } });
        assert_eq!(size(values(4000)).unwrap(), (2, 4000));
        assert!(size(values(4001)).unwrap_err().message.starts_with("where: at most 4000 values"));
    }
}
