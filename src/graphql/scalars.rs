//! Scalars: `Int` within 64 bits, `LocalDateTime` and `Tags`.

use std::borrow::Cow;

use async_graphql::{
    ContextSelectionSet, InputValueError, InputValueResult, Name, OutputType, Positioned, Scalar, ScalarType,
    ServerResult, Value, indexmap::IndexMap, parser::types::Field, registry::Registry,
};
use entity::time;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{
    error::{Code, Error},
    graphql::{
        error::FieldError,
        json::{read_exactly, text_without_bom},
        limits::{MAX_TAGS, MAX_TEXT_BYTES},
        response_options::is_own,
    },
};

/// Checks that a text can be stored and searched for.
///
/// # Errors
/// The reason and the remedy, for a message.
pub fn check_text(text: &str) -> Result<(), String> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(format!("a text has at most {MAX_TEXT_BYTES} bytes, not {}: shorten it", text.len()));
    }
    if text.contains('\0') {
        return Err("U+0000 can't be stored or looked for: leave it out".to_owned());
    }
    Ok(())
}

/// A whole number of a response. An `Int` of GraphQL has 32 bits: a greater one is an error of its field.
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

/// Fails for a number of more than 32 bits.
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
        // REST returns JSON integers, which have no such limit.
        if is_own(ctx) {
            return Ok(self.0.into());
        }
        let number = self.in_range().map_err(|reason| {
            let error = FieldError::from(Error::new(Code::Internal, reason));
            ctx.set_error_path(async_graphql::Error::from(error).into_server_error(field.pos))
        })?;
        Ok(number.into())
    }
}

/// The scalar `LocalDateTime`.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalDateTime(pub time::LocalDateTime);

/// A local date and time without a time zone, as ISO 8601 text such as `2026-01-05T03:00:00.125000`. It is returned
/// exactly as it was sent.
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

/// The scalar `DateTime`, in microseconds since 1970 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateTime(pub i64);

/// A date and time of the server's clock in UTC, as ISO 8601 text such as `2026-01-05T03:00:00.125000Z`.
#[Scalar]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) if text.ends_with('Z') => match time::LocalDateTime::parse(text) {
                Ok(parsed) => Ok(Self(parsed.micros)),
                Err(time::NotIso) => {
                    Err(InputValueError::custom("not an ISO 8601 date and time such as 2026-01-05T03:00:00Z"))
                }
            },
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(time::canonical(self.0) + "Z")
    }
}

/// The scalar `Tags`: names and values in the order given.
#[derive(Debug, Clone, PartialEq)]
pub struct Tags(pub Vec<(String, String)>);

/// The forms of tags, for messages.
const TAG_FORMS: &str = "tags are a JSON object such as {\"python\": \"3.12\"}, a list such as [{\"name\": \"python\", \"value\": \"3.12\"}], \
                     or the text of such a JSON object";

impl Tags {
    /// Parses the text of a JSON object.
    fn parse_text(text: &str) -> Result<Members, String> {
        match read_exactly(text_without_bom(text)) {
            Ok(Value::Object(members)) => Ok(members),
            Ok(_) => Err(format!("the text holds no JSON object: {TAG_FORMS}")),
            Err(error) => Err(format!("the text holds no JSON object ({error}): {TAG_FORMS}")),
        }
    }

    /// Converts a list of names and values. The last one of a name counts, as in an object.
    fn from_list(items: Vec<Value>) -> Result<Members, String> {
        let mut members = Members::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            let refused = |reason: &str| format!("item {index} of the tags {reason}: {TAG_FORMS}");
            let Value::Object(mut item) = item else { return Err(refused("is no object")) };
            let name = match item.shift_remove("name") {
                Some(Value::String(name)) => Name::new(name),
                Some(Value::Enum(name)) => name,
                Some(_) => return Err(refused("has a name that is no text")),
                None => return Err(refused("has no name")),
            };
            let value = item.shift_remove("value").ok_or_else(|| refused("has no value"))?;
            if let Some((other, _)) = item.first() {
                return Err(refused(&format!("has a member {other} besides name and value")));
            }
            members.insert(name, value);
        }
        Ok(members)
    }

    fn from_members(members: Members) -> Result<Self, String> {
        if members.len() > MAX_TAGS {
            return Err(format!("a session has at most {MAX_TAGS} tags, not {}: leave some out", members.len()));
        }
        let tag = |(name, value): (Name, Value)| {
            let text = match value {
                Value::String(text) => text,
                Value::Number(number) => number.to_string(),
                Value::Boolean(truth) => truth.to_string(),
                Value::Null => String::new(),
                Value::Enum(name) => name.to_string(),
                Value::Object(_) | Value::List(_) | Value::Binary(_) => {
                    return Err(format!("the tag \"{name}\" is neither text nor number: tags are flat"));
                }
            };
            // The texts of a JSON text have not been checked yet: it may spell them with escapes.
            check_text(&name).and_then(|()| check_text(&text))?;
            Ok((name.to_string(), text))
        };
        members.into_iter().map(tag).collect::<Result<_, _>>().map(Self)
    }
}

type Members = IndexMap<Name, Value>;

/// The tags of a session: at most 100 names and values, whose order is kept. There are three equivalent forms. The
/// first is a flat JSON object: `{"python": "3.12"}`. The second is a list: `[{name: "python", value: "3.12"}]`; use it
/// in GraphQL literals for names that are no GraphQL names, such as `python-version`. The third is the text of a JSON
/// object: `"{\"python\": \"3.12\"}"`. Numbers and booleans are stored as their JSON text, null as the empty text. If a
/// name is given more than once, the last value is used.
#[Scalar]
impl ScalarType for Tags {
    fn parse(value: Value) -> InputValueResult<Self> {
        let members = match value {
            Value::Object(members) => Ok(members),
            Value::List(items) => Self::from_list(items),
            Value::String(text) => Self::parse_text(&text),
            _ => Err(format!("neither an object, a list nor a text: {TAG_FORMS}")),
        };
        members.and_then(Self::from_members).map_err(InputValueError::custom)
    }

    fn to_value(&self) -> Value {
        Value::Object(self.0.iter().map(|(name, value)| (Name::new(name), value.as_str().into())).collect())
    }
}
