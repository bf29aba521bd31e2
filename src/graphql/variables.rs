//! The values of variables, checked against their types before anything runs: the specification's `CoerceVariableValues`.
//!
//! The engine checks them as part of the document, each time anew and with a copy of every value; a document whose variables are
//! checked here is validated once.

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use async_graphql::{
    InputType, Name, Pos, Positioned, ScalarType, ServerError, Value, Variables,
    parser::{
        parse_schema,
        types::{
            BaseType, ExecutableDocument, InputObjectType, InputValueDefinition, OperationDefinition, Type, TypeKind,
            TypeSystemDefinition, VariableDefinition,
        },
    },
};

use super::{
    Document,
    document::{DEEPEST_VALUE, fields},
    record::MetricInput,
    scalar,
};

/// Bytes of a text, at most.
pub(super) const LONGEST_TEXT: usize = 256 * 1024;

/// The types that values may have.
pub(super) struct InputTypes {
    kinds: HashMap<Name, Kind>,
    /// Whether an error says which values an enum has.
    suggests: bool,
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
    /// Those of a schema. Where it does not suggest, errors don't list the values of enums.
    pub(super) fn of(sdl: &str, suggests: bool) -> Self {
        let definitions = parse_schema(sdl).map(|document| document.definitions).unwrap_or_default();
        let types = definitions.into_iter().filter_map(|definition| match definition {
            TypeSystemDefinition::Type(ty) => Some((ty.node.name.node, Kind::of(ty.node.kind)?)),
            TypeSystemDefinition::Schema(_) | TypeSystemDefinition::Directive(_) => None,
        });
        Self { kinds: types.collect(), suggests }
    }

    /// Refuses variables that do not fit their types, or are not given where they must be; stands in for some that may be left out.
    ///
    /// Says whether that is all there is to check: a variable with a default may stand where null may not, and be given null all
    /// the same, which only the document tells. The values of our own documents were checked when they were read.
    pub(super) fn check(
        &self,
        document: &Document,
        operation: Option<&str>,
        variables: &mut Variables,
    ) -> Result<bool, ServerError> {
        let chosen = |known: Option<&Name>| operation.is_none_or(|name| known.is_none_or(|known| known == name));
        let parsed = document.parsed();
        let Some((_, operation)) = parsed.operations.iter().find(|(known, _)| chosen(*known)) else {
            return Ok(true);
        };
        let OperationDefinition { variable_definitions, .. } = &operation.node;
        let mut left_out = Vec::new();
        let mut is_all = true;
        for Positioned { pos, node: VariableDefinition { name, var_type, default_value, .. } } in variable_definitions {
            let value = variables.get(&name.node);
            is_all &= default_value.is_none() || value != Some(&Value::Null);
            let fit = match (value, default_value) {
                (Some(_), _) if document.is_own() => Ok(()),
                (Some(value), _) => self.fits(&var_type.node, value, DEEPEST_VALUE),
                // The engine forgets defaults where it looks at @skip and @include.
                (None, Some(default)) => {
                    variables.insert(name.node.clone(), default.node.clone());
                    Ok(())
                }
                (None, None) if var_type.node.nullable => {
                    left_out.push(&name.node);
                    Ok(())
                }
                (None, None) => Err(Misfit::new("a value must be given")),
            };
            let fit = fit.or_else(|misfit| {
                // What was kept as text has no values yet that a reason could be given for.
                let Some(value) = variables.get_mut(&name.node) else { return Err(misfit) };
                spell_out(value);
                self.fits(&var_type.node, value, DEEPEST_VALUE)
            });
            fit.map_err(|Misfit { path, reason }| {
                let path: String = path.into_iter().rev().collect();
                ServerError::new(format!("${}{path}: {reason}", name.node), Some(*pos))
            })?;
        }
        if !left_out.is_empty() {
            stand_in(parsed, &left_out, variables);
        }
        Ok(is_all)
    }

    fn fits(&self, ty: &Type, value: &Value, levels: usize) -> Result<(), Misfit> {
        match (&ty.base, value) {
            (_, Value::Null) if ty.nullable => Ok(()),
            (_, Value::Null) => Err(Misfit::new("a value must be given, and null is none")),
            (BaseType::List(item), Value::List(values)) => {
                let inner = inside(levels)?;
                let fits =
                    |(i, value)| self.fits(item, value, inner).map_err(|misfit| misfit.within(format_args!("[{i}]")));
                values.iter().enumerate().try_for_each(fits)
            }
            // A text that was kept: it was found to be metrics when it was read.
            (BaseType::List(item), Value::Binary(_)) => match &item.base {
                BaseType::Named(name) if **name == *MetricInput::type_name() => Ok(()),
                _ => Err(Misfit::new("another list is expected")),
            },
            // One value stands for a list of one.
            (BaseType::List(item), single) => self.fits(item, single, levels),
            (BaseType::Named(name), value) => self.fits_named(name, value, levels),
        }
    }

    fn fits_named(&self, name: &Name, value: &Value, levels: usize) -> Result<(), Misfit> {
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
                for (member, value) in members {
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
            (Some(Kind::Scalar) | None, value) => check_scalar(name, value).map_err(Misfit::new),
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
    let too_deep = || Misfit::new(format!("a value has at most {DEEPEST_VALUE} objects and lists within each other"));
    levels.checked_sub(1).ok_or_else(too_deep)
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

/// Refuses a text that can't be stored or looked for.
///
/// # Errors
/// The remedy, in words.
pub fn check_text(text: &str) -> Result<(), String> {
    if text.len() > LONGEST_TEXT {
        return Err(format!("a text has at most {LONGEST_TEXT} bytes, not {}: shorten it", text.len()));
    }
    if text.contains('\0') {
        return Err("U+0000 can't be stored or looked for: leave it out".to_owned());
    }
    Ok(())
}

/// Puts values in the place of metrics that were kept as text ([`super::are_metrics`]): the engine itself looks at values alone.
pub(super) fn spell_out(value: &mut Value) {
    match value {
        Value::Binary(text) => *value = serde_json::from_slice(text).unwrap_or_default(),
        Value::Object(members) => members.values_mut().for_each(spell_out),
        _ => {}
    }
}

/// The engine, when it sums up the cost of a list, refuses a `first` or `last` that is a variable left out. Null means the same.
fn stand_in(document: &ExecutableDocument, left_out: &[&Name], variables: &mut Variables) {
    for (argument, value) in fields(document).flat_map(|field| &field.arguments) {
        let text = value.node.to_string();
        let name = left_out.iter().find(|name| text.strip_prefix('$') == Some(name.as_str()));
        if let (Some(name), "first" | "last") = (name, argument.node.as_str()) {
            variables.insert((*name).clone(), Value::Null);
        }
    }
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
        "ID" => expected(matches!(value, Value::String(_) | Value::Number(_)), "an id"),
        "Int" => expected(matches!(value, Value::Number(number) if number.is_i64()), "a whole number"),
        "Float" => expected(matches!(value, Value::Number(_)), "a number"),
        "Boolean" => expected(matches!(value, Value::Boolean(_)), "true or false"),
        "LocalDateTime" => read::<scalar::LocalDateTime>(value),
        "Tags" => read::<scalar::Tags>(value),
        _ => Ok(()),
    }
}
