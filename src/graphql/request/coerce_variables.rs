//! The values of variables, checked against their types before anything runs: the specification's `CoerceVariableValues`.
//!
//! The engine checks them as part of the document, each time anew and with a copy of every value; a document whose variables are
//! checked here is validated once.

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
        request::{document::Asked, document_limits::too_deep},
        scalars::{self, check_text},
    },
};

/// The types that values may have.
pub(crate) struct InputTypes {
    kinds: HashMap<Name, Kind>,
    /// Whether an error says which values an enum has.
    suggests: bool,
    /// The type of which a list may be a text: see [`crate::graphql::are_metrics`].
    as_text: Name,
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

/// Where a value does not fit, from the inside out, and why.
struct Misfit {
    path: Vec<String>,
    reason: String,
}

impl Misfit {
    fn new(reason: impl Into<String>) -> Self {
        Self { path: Vec::new(), reason: reason.into() }
    }

    fn within(mut self, step: impl fmt::Display) -> Self {
        self.path.push(step.to_string());
        self
    }
}

impl InputTypes {
    /// Those of a schema. Where it does not suggest, errors don't list the values of enums. Lists of the type `as_text` may be texts.
    pub(crate) fn of(sdl: &str, suggests: bool, as_text: &str) -> Self {
        let definitions = parse_schema(sdl).map(|document| document.definitions).unwrap_or_default();
        let types = definitions.into_iter().filter_map(|definition| match definition {
            TypeSystemDefinition::Type(ty) => Some((ty.node.name.node, Kind::of(ty.node.kind)?)),
            TypeSystemDefinition::Schema(_) | TypeSystemDefinition::Directive(_) => None,
        });
        Self { kinds: types.collect(), suggests, as_text: Name::new(as_text) }
    }

    /// Coerces the variables of an operation: refuses those that do not fit their types, or are not given where they must be, and
    /// puts defaults in the place of others. The values of our own documents were checked when they were read.
    pub(crate) fn coerce(&self, asked: &Asked, is_own: bool, variables: &mut Variables) -> Result<(), ServerError> {
        for Positioned { pos, node: VariableDefinition { name, var_type, default_value, .. } } in &asked.variables {
            let fit = match (variables.get_mut(&name.node), default_value) {
                (Some(_), _) if is_own => Ok(()),
                (Some(value), _) => self.fits(&var_type.node, value, MAX_VALUE_DEPTH).or_else(|_| {
                    // What was kept as text has no values yet that a reason could be given for.
                    spell_out(value);
                    self.fits(&var_type.node, value, MAX_VALUE_DEPTH)
                }),
                (None, Some(default)) => {
                    variables.insert(name.node.clone(), default.node.clone());
                    Ok(())
                }
                (None, None) if var_type.node.nullable => Ok(()),
                (None, None) => Err(Misfit::new("a value must be given")),
            };
            fit.map_err(|Misfit { path, reason }| {
                let path: String = path.into_iter().rev().collect();
                let error = ServerError::new(format!("${}{path}: {reason}", name.node), Some(*pos));
                with_code(error, Code::BadUserInput)
            })?;
        }
        Ok(())
    }

    fn fits(&self, ty: &Type, value: &mut Value, levels: usize) -> Result<(), Misfit> {
        match (&ty.base, value) {
            (_, Value::Null) if ty.nullable => Ok(()),
            (_, Value::Null) => Err(Misfit::new("a value must be given, and null is none")),
            (BaseType::List(item), Value::List(values)) => {
                let inner = inside(levels)?;
                let mut fits =
                    |(i, value)| self.fits(item, value, inner).map_err(|misfit| misfit.within(format_args!("[{i}]")));
                values.iter_mut().enumerate().try_for_each(&mut fits)
            }
            // A text that was kept: it was found to be metrics when it was read.
            (BaseType::List(item), Value::Binary(_)) => match &item.base {
                BaseType::Named(name) if *name == self.as_text => Ok(()),
                _ => Err(Misfit::new("another list is expected")),
            },
            // One value stands for a list of one.
            (BaseType::List(item), single) => self.fits(item, single, levels),
            (BaseType::Named(name), value) => self.fits_named(name, value, levels),
        }
    }

    fn fits_named(&self, name: &Name, value: &mut Value, levels: usize) -> Result<(), Misfit> {
        match (self.kinds.get(name), value) {
            (Some(Kind::Enum(names)), Value::String(text)) if names.contains(text.as_str()) => Ok(()),
            (Some(Kind::Enum(names)), Value::Enum(text)) if names.contains(text) => Ok(()),
            (Some(Kind::Enum(_)), _) if !self.suggests => Err(Misfit::new(format!("a value of {name} is expected"))),
            (Some(Kind::Enum(names)), _) => {
                let mut names: Vec<&str> = names.iter().map(Name::as_str).collect();
                names.sort_unstable();
                Err(Misfit::new(format!("one of {} is expected", names.join(", "))))
            }
            (Some(Kind::Object { fields, required }), Value::Object(members)) => {
                let inner = inside(levels)?;
                let mut given = 0;
                for (member, value) in members.iter_mut() {
                    let Some(Field { ty, is_required }) = fields.get(member) else {
                        return Err(Misfit::new(format!("{name} has no member '{member}'")));
                    };
                    self.fits(ty, value, inner).map_err(|misfit| misfit.within(format_args!(".{member}")))?;
                    given += usize::from(*is_required);
                }
                let is_missing =
                    |(field, definition): &(&Name, &Field)| definition.is_required && !members.contains_key(*field);
                // Only objects that lack something are gone through again.
                let missing = if given < *required { fields.iter().find(is_missing) } else { None };
                missing.map_or(Ok(()), |(field, _)| {
                    Err(Misfit::new("a value must be given").within(format_args!(".{field}")))
                })
            }
            (Some(Kind::Object { .. }), _) => Err(Misfit::new("an object is expected")),
            (Some(Kind::Scalar) | None, value) => {
                coerce_number(name, value);
                check_scalar(name, value).map_err(Misfit::new)
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

/// One level further inside.
fn inside(levels: usize) -> Result<usize, Misfit> {
    levels.checked_sub(1).ok_or_else(|| Misfit::new(too_deep()))
}

/// Refuses texts that can't be stored or looked for.
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

/// Puts values in the place of metrics that were kept as text ([`crate::graphql::are_metrics`]): the engine itself looks at values alone.
pub(crate) fn spell_out(value: &mut Value) {
    match value {
        Value::Binary(text) => *value = serde_json::from_slice(text).unwrap_or_default(),
        Value::Object(members) => members.values_mut().for_each(spell_out),
        _ => {}
    }
}

/// Makes of a number what the engine expects: JSON knows one kind of number, which may be written `8.0` or `-0`.
pub fn coerce_number(name: &str, value: &mut Value) {
    let number = match value {
        Value::Number(number) => number,
        // The digits of a long one.
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

/// A number without a fraction, such as `8.0` or `1e4`.
#[allow(clippy::cast_possible_truncation, reason = "it has no fraction, and floats hold whole numbers of 53 bits")]
pub fn whole(number: f64) -> Option<i64> {
    const MOST: f64 = 9_007_199_254_740_992.0;
    (number.fract() == 0.0 && number.abs() <= MOST).then_some(number as i64)
}

/// Whether it is an `Int` of GraphQL.
fn is_int(number: &Number) -> bool {
    number.as_i64().is_some_and(|number| i32::try_from(number).is_ok())
}

/// Whether a scalar called `name` takes `value`, and if not, what it would take.
///
/// # Errors
/// The remedy, in words.
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
