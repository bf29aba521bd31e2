//! Coerces the values of variables to their types: `CoerceVariableValues` of the specification (section 6.1.2).
//!
//! The engine would do so while it validates the document, on every request and with a copy of every value. Doing it here lets a
//! document be validated once.

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use async_graphql::{
    InputType, Name, Number, Pos, Positioned, ScalarType, ServerError, Value, Variables,
    parser::{
        parse_schema,
        types::{
            BaseType, InputObjectType, InputValueDefinition, Type, TypeKind, TypeSystemDefinition, VariableDefinition,
        },
    },
};

use crate::{
    error::Code,
    graphql::{
        error::with_code,
        limits::MAX_VALUE_DEPTH,
        request::{document::DocumentOperation, document_limits::too_deep},
        scalars::{self, check_text},
    },
};

/// The input types of a schema.
pub(crate) struct InputTypes {
    kinds: HashMap<Name, Kind>,
    /// Whether an error lists the values of an enum.
    suggests: bool,
    /// The type whose lists may be unparsed JSON text: see [`crate::graphql::are_metrics`].
    raw_items: Name,
}

enum Kind {
    Scalar,
    Enum(HashSet<Name>),
    Object { fields: HashMap<Name, Field>, required: usize },
}

struct Field {
    ty: Type,
    is_required: bool,
}

/// Why a value does not have its type, and the path to it, innermost step first.
struct CoercionError {
    path: Vec<String>,
    reason: String,
}

impl CoercionError {
    fn new(reason: impl Into<String>) -> Self {
        Self { path: Vec::new(), reason: reason.into() }
    }

    fn within(mut self, step: impl fmt::Display) -> Self {
        self.path.push(step.to_string());
        self
    }
}

impl InputTypes {
    /// Reads the input types of a schema. `suggests`: errors list the values of enums. `raw_items`: the type whose lists may be
    /// unparsed JSON text.
    pub(crate) fn of(sdl: &str, suggests: bool, raw_items: &str) -> Self {
        let definitions = parse_schema(sdl).map(|document| document.definitions).unwrap_or_default();
        let types = definitions.into_iter().filter_map(|definition| match definition {
            TypeSystemDefinition::Type(ty) => Some((ty.node.name.node, Kind::of(ty.node.kind)?)),
            TypeSystemDefinition::Schema(_) | TypeSystemDefinition::Directive(_) => None,
        });
        Self { kinds: types.collect(), suggests, raw_items: Name::new(raw_items) }
    }

    /// Coerces the variables of an operation, and adds the defaults of those that are missing. The values of our own documents were
    /// checked when their request was read.
    ///
    /// # Errors
    /// A value does not have the type of its variable, or a required one is missing.
    pub(crate) fn coerce(
        &self,
        operation: &DocumentOperation,
        is_own: bool,
        variables: &mut Variables,
    ) -> Result<(), ServerError> {
        for Positioned { pos, node: VariableDefinition { name, var_type, default_value, .. } } in &operation.variables {
            let coerced = match (variables.get_mut(&name.node), default_value) {
                (Some(_), _) if is_own => Ok(()),
                (Some(value), _) => self.coerce_value(&var_type.node, value, MAX_VALUE_DEPTH).or_else(|_| {
                    // Only parsed values can be named in the error.
                    parse_raw(value);
                    self.coerce_value(&var_type.node, value, MAX_VALUE_DEPTH)
                }),
                (None, Some(default)) => {
                    variables.insert(name.node.clone(), default.node.clone());
                    Ok(())
                }
                (None, None) if var_type.node.nullable => Ok(()),
                (None, None) => Err(CoercionError::new("a value must be given")),
            };
            coerced.map_err(|CoercionError { path, reason }| {
                let path: String = path.into_iter().rev().collect();
                let error = ServerError::new(format!("${}{path}: {reason}", name.node), Some(*pos));
                with_code(error, Code::BadUserInput)
            })?;
        }
        Ok(())
    }

    fn coerce_value(&self, ty: &Type, value: &mut Value, levels: usize) -> Result<(), CoercionError> {
        match (&ty.base, value) {
            (_, Value::Null) if ty.nullable => Ok(()),
            (_, Value::Null) => Err(CoercionError::new("a value must be given, and null is none")),
            (BaseType::List(item), Value::List(values)) => {
                let inner = descend(levels)?;
                let coerce = |(i, value)| {
                    self.coerce_value(item, value, inner).map_err(|error| error.within(format_args!("[{i}]")))
                };
                values.iter_mut().enumerate().try_for_each(coerce)
            }
            // JSON text whose items were checked when the request was read.
            (BaseType::List(item), Value::Binary(_)) => match &item.base {
                BaseType::Named(name) if *name == self.raw_items => Ok(()),
                _ => Err(CoercionError::new("another list is expected")),
            },
            // A single value is coerced to a list of one.
            (BaseType::List(item), single) => self.coerce_value(item, single, levels),
            (BaseType::Named(name), value) => self.coerce_named(name, value, levels),
        }
    }

    fn coerce_named(&self, name: &Name, value: &mut Value, levels: usize) -> Result<(), CoercionError> {
        match (self.kinds.get(name), value) {
            (Some(Kind::Enum(names)), Value::String(text)) if names.contains(text.as_str()) => Ok(()),
            (Some(Kind::Enum(names)), Value::Enum(text)) if names.contains(text) => Ok(()),
            (Some(Kind::Enum(_)), _) if !self.suggests => {
                Err(CoercionError::new(format!("a value of {name} is expected")))
            }
            (Some(Kind::Enum(names)), _) => {
                let mut names: Vec<&str> = names.iter().map(Name::as_str).collect();
                names.sort_unstable();
                Err(CoercionError::new(format!("one of {} is expected", names.join(", "))))
            }
            (Some(Kind::Object { fields, required }), Value::Object(members)) => {
                let inner = descend(levels)?;
                let mut given = 0;
                for (member, value) in members.iter_mut() {
                    let Some(Field { ty, is_required }) = fields.get(member) else {
                        return Err(CoercionError::new(format!("{name} has no member '{member}'")));
                    };
                    self.coerce_value(ty, value, inner).map_err(|error| error.within(format_args!(".{member}")))?;
                    given += usize::from(*is_required);
                }
                let is_missing =
                    |(field, definition): &(&Name, &Field)| definition.is_required && !members.contains_key(*field);
                // The count spares most objects a second pass.
                let missing = if given < *required { fields.iter().find(is_missing) } else { None };
                missing.map_or(Ok(()), |(field, _)| {
                    Err(CoercionError::new("a value must be given").within(format_args!(".{field}")))
                })
            }
            (Some(Kind::Object { .. }), _) => Err(CoercionError::new("an object is expected")),
            (Some(Kind::Scalar) | None, value) => {
                coerce_number(name, value);
                check_scalar(name, value).map_err(CoercionError::new)
            }
        }
    }
}

impl Kind {
    fn of(kind: TypeKind) -> Option<Self> {
        Some(match kind {
            TypeKind::Scalar => Self::Scalar,
            TypeKind::Enum(ty) => Self::Enum(ty.values.into_iter().map(|value| value.node.value.node).collect()),
            TypeKind::InputObject(InputObjectType { fields }) => {
                let field = |Positioned { node, .. }: Positioned<InputValueDefinition>| {
                    let ty = node.ty.node;
                    let is_required = !ty.nullable && node.default_value.is_none();
                    (node.name.node, Field { ty, is_required })
                };
                let fields: HashMap<_, _> = fields.into_iter().map(field).collect();
                let required = fields.values().filter(|field| field.is_required).count();
                Self::Object { fields, required }
            }
            TypeKind::Object(_) | TypeKind::Interface(_) | TypeKind::Union(_) => return None,
        })
    }
}

/// Returns the number of levels that remain one level deeper.
fn descend(levels: usize) -> Result<usize, CoercionError> {
    levels.checked_sub(1).ok_or_else(|| CoercionError::new(too_deep()))
}

/// Checks every text of a value: see [`check_text`].
fn check_texts(value: &Value) -> Result<(), String> {
    match value {
        Value::String(text) => check_text(text),
        Value::List(list) => list.iter().try_for_each(check_texts),
        Value::Object(members) => {
            members.iter().try_for_each(|(name, value)| check_text(name).and_then(|()| check_texts(value)))
        }
        _ => Ok(()),
    }
}

/// Parses lists that are unparsed JSON text ([`crate::graphql::are_metrics`]).
pub(crate) fn parse_raw(value: &mut Value) {
    match value {
        Value::Binary(text) => *value = serde_json::from_slice(text).unwrap_or_default(),
        Value::Object(members) => members.values_mut().for_each(parse_raw),
        _ => {}
    }
}

/// Converts a number to the form that its scalar has in the engine: JSON has one kind of number, which may be written `8.0` or `-0`.
pub fn coerce_number(name: &str, value: &mut Value) {
    let number = match value {
        Value::Number(number) => number,
        // A whole number of more than 64 bits: see `read_exactly`.
        Value::Enum(digits) if digits.ends_with(|last: char| last.is_ascii_digit()) => {
            match (name, digits.parse().ok().and_then(Number::from_f64)) {
                ("Float", Some(number)) => *value = Value::Number(number),
                ("ID", _) => *value = digits.as_str().into(),
                _ => {}
            }
            return;
        }
        _ => return,
    };
    let whole = number.as_i64().or_else(|| whole(number.as_f64()?));
    match (name, whole) {
        ("Int", Some(whole)) => *value = whole.into(),
        ("ID", Some(whole)) => *value = whole.to_string().into(),
        ("ID", None) if number.is_u64() => *value = number.to_string().into(),
        _ => {}
    }
}

/// Returns a number without a fraction, such as `8.0` or `1e4`, as an integer.
#[allow(clippy::cast_possible_truncation, reason = "it has no fraction, and floats hold whole numbers of 53 bits")]
pub fn whole(number: f64) -> Option<i64> {
    const MAX_EXACT_INTEGER: f64 = 9_007_199_254_740_992.0;
    (number.fract() == 0.0 && number.abs() <= MAX_EXACT_INTEGER).then_some(number as i64)
}

/// Whether the number fits into an `Int` of GraphQL.
fn is_int(number: &Number) -> bool {
    number.as_i64().is_some_and(|number| i32::try_from(number).is_ok())
}

/// Checks that `value` is a value of the scalar `name`.
///
/// # Errors
/// What is expected, for a message.
pub fn check_scalar(name: &str, value: &Value) -> Result<(), String> {
    fn read<T: ScalarType + InputType>(value: &Value) -> Result<(), String> {
        <T as ScalarType>::parse(value.clone())
            .map(drop)
            .map_err(|error| error.into_server_error(Pos::default()).message)
    }
    check_texts(value)?;
    let expected = |fits: bool, what: &str| if fits { Ok(()) } else { Err(format!("{what} is expected")) };
    match name {
        "String" => expected(matches!(value, Value::String(_)), "a text"),
        "ID" => expected(matches!(value, Value::String(_)), "an id, a text or a whole number,"),
        "Int" => expected(matches!(value, Value::Number(number) if is_int(number)), "a whole number of 32 bits"),
        "Float" => expected(matches!(value, Value::Number(_)), "a number"),
        "Boolean" => expected(matches!(value, Value::Boolean(_)), "true or false"),
        "LocalDateTime" => read::<scalars::LocalDateTime>(value),
        "Tags" => read::<scalars::Tags>(value),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that can't go on fails")]
mod tests {
    use async_graphql::value;

    use super::*;

    const SDL: &str = "enum Color { RED GREEN } input Point { x: Int!, y: Int = 1, color: Color }";

    fn ty(text: &str) -> Type {
        Type::new(text).unwrap()
    }

    /// The value once it is coerced, or the path and the reason.
    fn coerced(text: &str, mut value: Value) -> Result<Value, (String, String)> {
        let types = InputTypes::of(SDL, true, "Point");
        let coerced = types.coerce_value(&ty(text), &mut value, MAX_VALUE_DEPTH);
        coerced.map(|()| value).map_err(|error| (error.path.into_iter().rev().collect(), error.reason))
    }

    #[test]
    fn numbers_take_the_form_of_their_scalar() {
        assert_eq!(coerced("Int!", value!(8.0)), Ok(value!(8)));
        assert_eq!(coerced("ID!", value!(8)), Ok(value!("8")));
        assert_eq!(coerced("[Int!]!", value!([1.0, 2])), Ok(value!([1, 2])));
        assert!(coerced("Int!", value!(8.5)).is_err());
        assert!(coerced("Int!", value!(3_000_000_000_i64)).is_err());
        assert!(coerced("Int!", Value::Null).is_err());
        assert_eq!(coerced("Int", Value::Null), Ok(Value::Null));
    }

    #[test]
    fn an_error_has_the_path_of_the_value() {
        let path = |value| coerced("[Point!]!", value).map_err(|(path, _)| path);
        assert_eq!(path(value!([{ "x": 1 }, { "x": "a" }])), Err("[1].x".to_owned()));
        assert_eq!(path(value!([{ "y": 2 }])), Err("[0].x".to_owned()));
        assert_eq!(path(value!([{ "x": 1, "z": 2 }])), Err("[0]".to_owned()));
        assert_eq!(path(value!([{ "x": 1, "color": "RED" }])), Ok(value!([{ "x": 1, "color": "RED" }])));
        let blue = coerced("Point", value!({ "x": 1, "color": "BLUE" }));
        assert_eq!(blue, Err((".color".to_owned(), "one of GREEN, RED is expected".to_owned())));
    }

    #[test]
    fn only_numbers_without_a_fraction_are_whole() {
        let numbers = [8.0, -0.0, 1e4, 0.5, 1e300, f64::NAN];
        assert_eq!(numbers.map(whole), [Some(8), Some(0), Some(10_000), None, None, None]);
    }
}
