//! The conditions that every noun's `where` is made of.

use async_graphql::{Enum, InputObject, InputType, Value};
use entity::{
    filter::{Number, Text, Tree},
    list::{self, FirstSeen},
};

use crate::{
    error::Error,
    graphql::{
        limits::{MAX_FILTER_CONDITIONS, MAX_FILTER_VALUES, MAX_IN_VALUES, MAX_PATTERN_BYTES},
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
    /// Checks the limits; `field` names the filter in the error.
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

fn check_count<T>(values: Option<&[T]>, field: &str) -> Result<(), Error> {
    match values {
        Some(values) if values.len() > MAX_IN_VALUES => {
            Err(Error::bad_input(format!("{field}.in: at most {MAX_IN_VALUES} values at a time")))
        }
        _ => Ok(()),
    }
}

macro_rules! number_filter {
    ($(#[doc = $doc:literal])* $Filter:ident, $Given:ty, $Stored:ty, $convert:expr) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, InputObject)]
        pub struct $Filter {
            /// Equal to.
            eq: Option<$Given>,
            /// Equal to one of these values, at most 1000.
            #[graphql(name = "in")]
            any_of: Option<Vec<$Given>>,
            /// Greater than (later than).
            gt: Option<$Given>,
            /// Greater than (later than) or equal to.
            gte: Option<$Given>,
            /// Less than (earlier than).
            lt: Option<$Given>,
            /// Less than (earlier than) or equal to.
            lte: Option<$Given>,
        }

        impl $Filter {
            /// Checks the limits; `field` names the filter in the error.
            pub fn check(self, field: &str) -> Result<Number<$Stored>, Error> {
                let Self { eq, any_of, gt, gte, lt, lte } = self;
                check_count(any_of.as_deref(), field)?;
                let convert: fn($Given) -> $Stored = $convert;
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

/// Checks an optional condition; `$field` is its name in the schema.
macro_rules! check {
    ($filter:expr, $field:literal) => {
        $filter.map(|filter| filter.check(concat!("where.", $field))).transpose()?
    };
}
pub(crate) use check;

/// What a filter costs to write as SQL.
#[derive(Default)]
struct Size {
    conditions: usize,
    values: usize,
}

impl Size {
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
        let (most, message) = if self.conditions > MAX_FILTER_CONDITIONS {
            (MAX_FILTER_CONDITIONS, "conditions, the objects around them counted too")
        } else if self.values > MAX_FILTER_VALUES {
            (MAX_FILTER_VALUES, "values of every `in` together")
        } else {
            return Ok(());
        };
        Err(Error::bad_input(format!("where: at most {most} {message}")))
    }
}

/// A noun's `where`.
pub trait Where: InputType {
    /// What the noun's own conditions become.
    type Filter;

    /// The noun's own conditions, and what connects them with others.
    fn parts(self) -> Result<(Self::Filter, Connectives<Self>), Error>;

    /// The whole condition, its limits checked.
    fn check(self) -> Result<Tree<Self::Filter>, Error> {
        Size::default().add(&self.to_value())?;
        self.tree()
    }

    /// The whole condition.
    fn tree(self) -> Result<Tree<Self::Filter>, Error> {
        let (own, Connectives { and, or, not }) = self.parts()?;
        let all = |list: Vec<Self>| list.into_iter().map(Self::tree).collect::<Result<Vec<_>, _>>();
        Ok(Tree {
            own,
            and: all(and.unwrap_or_default())?,
            or: or.map(all).transpose()?,
            not: not.map(|not| not.tree()).transpose()?.map(Box::new),
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
    /// The order of a list by `by`, this way.
    pub fn of<S>(self, by: S) -> list::Order<S> {
        list::Order { by, descending: self == Self::Desc }
    }
}

/// Sort keys of components, items, variants, pipelines, builds and tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum FirstSeenOrderField {
    /// When the name first appeared in a request.
    FirstSeen,
}

/// Sort order of components, items, variants, pipelines, builds and tags.
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
        direction.of(match by {
            FirstSeenOrderField::FirstSeen => FirstSeen::FirstSeen,
        })
    }
}
