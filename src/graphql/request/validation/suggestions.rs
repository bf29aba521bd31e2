//! Which name was perhaps meant.

use apollo_compiler::{Name, Schema, schema::ExtendedType};

/// Names that are suggested, at most.
const MOST: usize = 3;
/// Bytes of a name that is compared with others, at most: it takes time with their product.
const LONGEST: usize = 100;

/// Which known names were perhaps meant by an unknown one, in the library's error called `name`.
pub fn of(schema: &Schema, name: &str, reason: &str) -> Option<String> {
    // The library keeps the names to itself, but quotes them in what it says.
    let quoted: Vec<&str> = reason.split('`').skip(1).step_by(2).collect();
    let (given, known) = match (name, quoted.as_slice()) {
        ("UndefinedField", [ty, field]) => (*field, fields(schema, ty)),
        ("UndefinedArgument", [argument, coordinate]) => (*argument, arguments(schema, coordinate)),
        ("UndefinedEnumValue" | "UndefinedInputValue", [value, ty]) => (*value, members(schema, ty)),
        ("UndefinedDefinition", [name]) => (*name, schema.types.keys().map(Name::as_str).collect()),
        _ => return None,
    };
    suggestion(given, known)
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
    if given.len() > LONGEST {
        return None;
    }
    let distance = |name: &str| strsim::damerau_levenshtein(&given.to_lowercase(), &name.to_lowercase());
    let mut near: Vec<(usize, &str)> = known.into_iter().map(|name| (distance(name), name)).collect();
    near.retain(|(distance, name)| *distance <= name.len().max(given.len()) * 2 / 5);
    near.sort_unstable();
    let names: Vec<String> = near.into_iter().take(MOST).map(|(_, name)| format!("`{name}`")).collect();
    (!names.is_empty()).then(|| format!(". Did you mean {}?", names.join(" or ")))
}
