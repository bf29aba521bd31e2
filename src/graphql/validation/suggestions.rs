//! Which name was perhaps meant.

use apollo_compiler::{Name, Schema, schema::ExtendedType, validation::DiagnosticList};

use crate::graphql::validation::Problem;

/// Names that are suggested, at most.
const MOST: usize = 3;

/// Adds to the problems with unknown names which known ones were perhaps meant.
pub fn add(schema: &Schema, errors: &DiagnosticList, problems: &mut [Problem]) {
    for (error, problem) in errors.iter().zip(problems) {
        // The library keeps the names to itself, but quotes them in what it says.
        let quoted: Vec<&str> = problem.reason.split('`').skip(1).step_by(2).collect();
        let (given, known) = match (error.error.unstable_error_name(), quoted.as_slice()) {
            (Some("UndefinedField"), [ty, field]) => (*field, fields(schema, ty)),
            (Some("UndefinedArgument"), [argument, coordinate]) => (*argument, arguments(schema, coordinate)),
            (Some("UndefinedEnumValue" | "UndefinedInputValue"), [value, ty]) => (*value, members(schema, ty)),
            (Some("UndefinedDefinition"), [name]) => (*name, schema.types.keys().map(Name::as_str).collect()),
            _ => continue,
        };
        if let Some(suggestion) = suggestion(given, known) {
            problem.reason.push_str(&suggestion);
        }
    }
}

fn fields<'s>(schema: &'s Schema, ty: &str) -> Vec<&'s str> {
    match schema.types.get(ty) {
        Some(ExtendedType::Object(object)) => object.fields.keys().map(Name::as_str).collect(),
        Some(ExtendedType::Interface(interface)) => interface.fields.keys().map(Name::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The arguments of what a coordinate such as `Query.metrics` or `@skip` names.
fn arguments<'s>(schema: &'s Schema, coordinate: &str) -> Vec<&'s str> {
    let path = coordinate.split('(').next().unwrap_or_default();
    let arguments = match (path.strip_prefix('@'), path.split_once('.')) {
        (Some(directive), _) => schema.directive_definitions.get(directive).map(|definition| &definition.arguments),
        (None, Some((ty, field))) => schema.type_field(ty, field).ok().map(|field| &field.arguments),
        (None, None) => None,
    };
    arguments.into_iter().flatten().map(|argument| argument.name.as_str()).collect()
}

fn members<'s>(schema: &'s Schema, ty: &str) -> Vec<&'s str> {
    match schema.types.get(ty) {
        Some(ExtendedType::Enum(definition)) => definition.values.keys().map(Name::as_str).collect(),
        Some(ExtendedType::InputObject(definition)) => definition.fields.keys().map(Name::as_str).collect(),
        _ => Vec::new(),
    }
}

fn suggestion(given: &str, known: Vec<&str>) -> Option<String> {
    let distance = |name: &str| strsim::damerau_levenshtein(&given.to_lowercase(), &name.to_lowercase());
    let mut near: Vec<(usize, &str)> = known.into_iter().map(|name| (distance(name), name)).collect();
    near.retain(|(distance, name)| *distance <= name.len().max(given.len()) * 2 / 5);
    near.sort_unstable();
    let names: Vec<String> = near.into_iter().take(MOST).map(|(_, name)| format!("`{name}`")).collect();
    (!names.is_empty()).then(|| format!(". Did you mean {}?", names.join(" or ")))
}
