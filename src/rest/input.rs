//! Fills the variables of an operation from a request, by their declared types.

use std::collections::HashMap;

use apollo_compiler::{Schema, ast::Type, schema::ExtendedType};
use async_graphql::{Name, Value, Variables, indexmap::IndexMap};

use crate::{
    error::{Code, Error},
    graphql::{check_scalar, check_text, coerce_number, near_names, text_without_bom, whole},
    rest::document::{Endpoint, Variable},
};

/// The inputs of a request.
pub(super) struct RequestInput<'a> {
    /// The arguments in the path, decoded.
    pub path: &'a HashMap<String, String>,
    /// The query string, in order.
    pub query: &'a [(String, String)],
    /// The JSON body, if any.
    pub body: Option<&'a Value>,
    /// The project in the address, if any.
    pub project: Option<&'a str>,
}

/// Checks that the query string has nothing but parameters of `endpoint`, and none of them twice that takes one value.
///
/// # Errors
/// [`Code::BadUserInput`], with similar names, or else all names.
pub(super) fn check_query(endpoint: &Endpoint, input: &RequestInput<'_>) -> Result<(), Error> {
    let variables = || endpoint.variables.iter().filter(|variable| !input.path.contains_key(&variable.name));
    let aliases = endpoint.aliases.iter().filter_map(|(name, of)| Some((name, variables().find(|v| v.name == *of)?)));
    let parameters: Vec<_> = variables().map(|variable| (&variable.name, variable)).chain(aliases).collect();
    for (at, (name, _)) in input.query.iter().enumerate() {
        let Some((_, variable)) = parameters.iter().find(|(parameter, _)| *parameter == name) else {
            let names: Vec<&str> = parameters.iter().map(|(parameter, _)| parameter.as_str()).collect();
            let remedy = match (near_names(name, &names).join(" or "), names.is_empty()) {
                (_, true) => "there are no parameters".to_owned(),
                (near, _) if near.is_empty() => format!("give one of {}", names.join(", ")),
                (near, _) => format!("did you mean {near}?"),
            };
            return Err(Error::bad_input(format!("{name}: no such parameter; {remedy}")));
        };
        if !variable.ty.is_list() && input.query[..at].iter().any(|(before, _)| before == name) {
            return Err(Error::bad_input(format!("{name}: it is given twice, and takes one value")));
        }
    }
    Ok(())
}

/// Returns the variables of the operation of `endpoint`.
///
/// # Errors
/// [`Code::NotFound`] for an invalid path argument, [`Code::BadUserInput`] for any other invalid input.
pub(super) fn variables(schema: &Schema, endpoint: &Endpoint, input: &RequestInput<'_>) -> Result<Variables, Error> {
    let mut filled = Variables::default();
    for variable in &endpoint.variables {
        if let Some(value) = variable_of(schema, endpoint, variable, input)? {
            filled.insert(Name::new(&variable.name), value);
        }
    }
    if let (Some(name), Some(project)) = (&endpoint.project, input.project) {
        check_text(project).map_err(|reason| Error::new(Code::NotFound, format!("{name}: {reason}")))?;
        filled.insert(Name::new(name), Value::from(project));
    }
    Ok(filled)
}

fn variable_of(
    schema: &Schema,
    endpoint: &Endpoint,
    variable: &Variable,
    input: &RequestInput<'_>,
) -> Result<Option<Value>, Error> {
    let Variable { name, ty, .. } = variable;
    let bad = |reason: String| Error::bad_input(format!("{name}: {reason}"));
    if let Some(text) = input.path.get(name) {
        check_text(text).map_err(bad)?;
        let value = from_path(schema, ty, text);
        return value.map(Some).map_err(|reason| Error::new(Code::NotFound, format!("{name}: '{text}' is {reason}")));
    }
    let names =
        std::iter::once(name).chain(endpoint.aliases.iter().filter(|(_, of)| of == name).map(|(other, _)| other));
    let mut texts =
        input.query.iter().filter(|(parameter, _)| names.clone().any(|name| name == parameter)).map(|(_, text)| text);
    let text = if ty.is_list() {
        // A list may be split over several parameters, under each of its names.
        let parts: Vec<_> = texts.map(String::as_str).collect();
        (!parts.is_empty()).then(|| parts.join(","))
    } else {
        texts.next().cloned()
    };
    let member = input.body.and_then(|body| match body {
        Value::Object(members) => names.clone().find_map(|name| members.get(name.as_str())),
        _ => None,
    });
    if name == "page" && ty.inner_named_type() == "Int" && !endpoint.is_post {
        return page(text.as_deref(), member).map(|page| page.map(Value::from));
    }
    let value = match (text.as_deref(), member) {
        // `with_flags=` is an empty list, not a list with an empty name.
        (Some(text), _) if text.is_empty() && ty.is_list() => None,
        (Some(text), _) if !endpoint.is_post => {
            Some(from_text(schema, ty, text).map_err(|reason| bad(format!("'{text}' is {reason}")))?)
        }
        (_, Some(Value::String(text))) if endpoint.is_post && ty.inner_named_type() == "Tags" => {
            Some(tags(schema, name, text).map_err(bad)?)
        }
        (_, Some(value)) if endpoint.is_post => Some(from_json(schema, ty, value).map_err(bad)?),
        _ => None,
    };
    match value {
        None if variable.is_required() => Err(bad("it is required".to_owned())),
        value => Ok(value),
    }
}

/// Reads tags from a text: a JSON object, or else the value of one tag with the argument's name.
fn tags(schema: &Schema, name: &str, text: &str) -> Result<Value, String> {
    let is_object = matches!(serde_json::from_str(text_without_bom(text)), Ok(Value::Object(_)));
    let tag =
        || if text.is_empty() { IndexMap::default() } else { IndexMap::from([(Name::new(name), Value::from(text))]) };
    named(schema, "Tags", if is_object { Value::from(text) } else { Value::Object(tag()) })
}

/// Reads a page number leniently: text that is not a number means page 1; a number that is not a page is 404.
fn page(text: Option<&str>, member: Option<&Value>) -> Result<Option<i64>, Error> {
    let text = match (text, member) {
        (Some(text), _) => text.trim().to_owned(),
        (None, Some(Value::String(text))) => text.trim().to_owned(),
        // Integers beyond 64 bits are parsed as floats. Printed, they are page numbers that are too large.
        (None, Some(Value::Number(number))) => number.as_f64().unwrap_or_default().to_string(),
        (None, Some(Value::Enum(digits))) => digits.to_string(),
        _ => return Ok(None),
    };
    let digits = text.strip_prefix(['-', '+']).unwrap_or(&text);
    let none = || Error::new(Code::NotFound, format!("page: there is no page {text}"));
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        let is_too_large = number_of(&text).is_some_and(|number| number.fract() == 0.0 || number.is_infinite());
        return integer_of(&text)
            .map_or_else(|| if is_too_large { Err(none()) } else { Ok(None) }, |page| Ok(Some(page)));
    }
    text.parse().map(Some).map_err(|_| none())
}

/// Reads a path argument. Integers there are counts: only digits are accepted, and greater values saturate.
fn from_path(schema: &Schema, ty: &Type, text: &str) -> Result<Value, String> {
    if ty.inner_named_type() == "Int" {
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err("no whole number".to_owned());
        }
        return Ok(text.parse().unwrap_or(i64::MAX).into());
    }
    from_text(schema, ty, text)
}

fn from_text(schema: &Schema, ty: &Type, text: &str) -> Result<Value, String> {
    if ty.is_list() {
        let item = ty.item_type();
        return text.split(',').map(|part| from_text(schema, item, part)).collect::<Result<_, _>>().map(Value::List);
    }
    match ty.inner_named_type().as_str() {
        "Int" => {
            let number = text.parse().ok().or_else(|| integer_of(text));
            number.map(Value::from).ok_or_else(|| "no whole number".to_owned())
        }
        "Float" => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number.into()),
            _ => Err("no number".to_owned()),
        },
        "Boolean" => match text.to_ascii_lowercase().as_str() {
            "true" | "1" => Ok(true.into()),
            "false" | "0" => Ok(false.into()),
            _ => Err("neither true nor false".to_owned()),
        },
        name => named(schema, name, Value::from(text)).map_err(|reason| without_type(&reason).to_owned()),
    }
}

/// Returns what a scalar says of a text, without its name.
fn without_type(reason: &str) -> &str {
    let after = reason.strip_prefix("Failed to parse \"").and_then(|rest| rest.split_once("\": "));
    after.map_or(reason, |(_, said)| said.trim_end_matches(" (a text was given)"))
}

fn from_json(schema: &Schema, ty: &Type, value: &Value) -> Result<Value, String> {
    match (value, ty.is_list()) {
        (Value::Null, _) if ty.is_non_null() => Err("it is required, and null is none".to_owned()),
        (Value::Null, _) => Ok(Value::Null),
        (Value::List(values), true) => values
            .iter()
            .map(|value| from_json(schema, ty.item_type(), value))
            .collect::<Result<_, _>>()
            .map(Value::List),
        (single, true) => from_json(schema, ty.item_type(), single),
        (single, false) => named(schema, ty.inner_named_type().as_str(), single.clone()),
    }
}

/// Parses an integer written with a point or an exponent, such as `8.0` or `1e4`.
fn integer_of(text: &str) -> Option<i64> {
    number_of(text).and_then(whole)
}

/// Parses a number of any size, but not `inf` or `nan`.
fn number_of(text: &str) -> Option<f64> {
    let is_number = text.ends_with(|last: char| last.is_ascii_digit() || last == '.');
    text.parse().ok().filter(|_| is_number)
}

/// Coerces a value to a named type.
fn named(schema: &Schema, name: &str, mut value: Value) -> Result<Value, String> {
    coerce_number(name, &mut value);
    let kind = match &value {
        Value::String(_) => "a text",
        Value::Number(_) => "a number",
        Value::Boolean(_) => "a boolean",
        Value::List(_) => "a list",
        Value::Object(_) => "an object",
        _ => "no value",
    };
    match schema.types.get(name) {
        Some(ExtendedType::Enum(definition)) => {
            let names: Vec<&str> = definition.values.keys().map(apollo_compiler::Name::as_str).collect();
            let name = if let Value::String(text) = &value { text.to_ascii_uppercase() } else { String::new() };
            if names.contains(&name.as_str()) {
                Ok(Value::Enum(Name::new(name)))
            } else {
                Err(format!("not one of {}", names.join(", ").to_ascii_lowercase()))
            }
        }
        Some(ExtendedType::InputObject(definition)) => {
            let Value::Object(members) = &value else { return Err(format!("an object is expected, not {kind}")) };
            let mut object = IndexMap::new();
            for (field, definition) in &definition.fields {
                match members.get(field.as_str()) {
                    Some(member) => {
                        let member =
                            from_json(schema, &definition.ty, member).map_err(|reason| format!("{field}: {reason}"))?;
                        object.insert(Name::new(field.as_str()), member);
                    }
                    None if definition.is_required() => return Err(format!("{field}: it is required")),
                    None => {}
                }
            }
            Ok(Value::Object(object))
        }
        _ => match check_scalar(name, &value) {
            Ok(()) => Ok(value),
            Err(reason) => Err(format!("{reason} ({kind} was given)")),
        },
    }
}
