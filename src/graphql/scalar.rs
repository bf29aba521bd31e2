//! The schema's own scalars.

use std::borrow::Cow;

use async_graphql::{
    ContextSelectionSet, InputValueError, InputValueResult, OutputType, Positioned, Scalar, ScalarType, ServerResult,
    Value, parser::types::Field, registry::Registry,
};
use entity::time;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{Failure, paging::SHORT, written::is_own};
use crate::error::{Code, Error};

/// A whole number as the graph gives it: an `Int` of GraphQL has 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Int(i64);

impl Int {
    fn in_range(self) -> Result<i32, String> {
        i32::try_from(self.0).map_err(|_| format!("{} is more than an Int can hold, which has 32 bits", self.0))
    }
}

impl From<i64> for Int {
    fn from(number: i64) -> Self {
        Self(number)
    }
}

impl From<u64> for Int {
    fn from(number: u64) -> Self {
        Self(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

/// Fails for what an `Int` can't hold.
impl Serialize for Int {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i32(self.in_range().map_err(serde::ser::Error::custom)?)
    }
}

impl OutputType for Int {
    fn type_name() -> Cow<'static, str> {
        <i32 as OutputType>::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        <i32 as OutputType>::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
        // REST answers with the integers of JSON.
        if is_own(ctx) {
            return Ok(self.0.into());
        }
        let number = self.in_range().map_err(|reason| {
            let failure = Failure::from(Error::new(Code::Internal, reason));
            ctx.set_error_path(async_graphql::Error::from(failure).into_server_error(field.pos))
        })?;
        Ok(number.into())
    }
}

/// A date and time as the graph takes and gives it.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalDateTime(pub time::LocalDateTime);

/// A date and time of the worker's own clock, without a time zone, as ISO 8601 text such as `2026-01-05T03:00:00.125000`.
/// It comes back as it was sent.
#[Scalar]
impl ScalarType for LocalDateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => time::LocalDateTime::parse(text).map(Self).map_err(|time::NotIso| {
                InputValueError::custom("not an ISO 8601 date and time such as 2026-01-05T03:00:00")
            }),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

impl Serialize for LocalDateTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for LocalDateTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        time::LocalDateTime::parse(&text).map(Self).map_err(|time::NotIso| D::Error::custom("not ISO 8601"))
    }
}

/// Names and values in the order given.
#[derive(Debug, Clone, PartialEq)]
pub struct Tags(pub Vec<(String, String)>);

impl Tags {
    /// Tags that a session may have.
    const MOST: usize = SHORT as usize;
}

/// The tags of a session: a flat JSON object of at most 100 names and values, in an order that is kept. Numbers and booleans are stored as
/// their JSON text, null as the empty text.
#[Scalar]
impl ScalarType for Tags {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::Object(members) = value else {
            return Err(InputValueError::custom("not a JSON object of tags, such as {\"python\": \"3.12\"}"));
        };
        if members.len() > Self::MOST {
            let (most, given) = (Self::MOST, members.len());
            return Err(InputValueError::custom(format!(
                "a session has at most {most} tags, not {given}: leave some out"
            )));
        }
        let tag = |(name, value): (async_graphql::Name, Value)| {
            let text = match value {
                Value::String(text) => text,
                Value::Number(number) => number.to_string(),
                Value::Boolean(truth) => truth.to_string(),
                Value::Null => String::new(),
                Value::Enum(name) => name.to_string(),
                Value::Object(_) | Value::List(_) | Value::Binary(_) => {
                    let message = format!("the tag \"{name}\" is neither text nor number: tags are flat");
                    return Err(InputValueError::custom(message));
                }
            };
            Ok((name.to_string(), text))
        };
        members.into_iter().map(tag).collect::<Result<_, _>>().map(Self)
    }

    fn to_value(&self) -> Value {
        Value::Object(
            self.0.iter().map(|(name, value)| (async_graphql::Name::new(name), value.as_str().into())).collect(),
        )
    }
}
