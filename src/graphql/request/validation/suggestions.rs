//! Suggestions for unknown names: "Did you mean …?"

use apollo_compiler::{Name, Schema, schema::ExtendedType};

use crate::graphql::near_names::near_names;

/// Returns a suggestion for the unknown name of the apollo-compiler error `name`, to be added to its message `reason`.
pub fn of(schema: &Schema, name: &str, reason: &str) -> Option<String> {
    // apollo-compiler does not expose the names, but quotes them in its messages.
    let quoted: Vec<&str> = reason.split('`').skip(1).step_by(2).collect();
    let (given, candidates) = match (name, quoted.as_slice()) {
        ("UndefinedField", [ty, field]) => (*field, fields(schema, ty)),
        ("UndefinedArgument", [argument, coordinate]) => (*argument, arguments(schema, coordinate)),
        ("UndefinedEnumValue" | "UndefinedInputValue", [value, ty]) => (*value, members(schema, ty)),
        ("UndefinedDefinition", [name]) => (*name, schema.types.keys().map(Name::as_str).collect()),
        _ => return None,
    };
    suggestion(given, &candidates)
}

fn fields<'s>(schema: &'s Schema, ty: &str) -> Vec<&'s str> {
    match schema.types.get(ty) {
        Some(ExtendedType::Object(object)) => object.fields.keys().map(Name::as_str).collect(),
        Some(ExtendedType::Interface(interface)) => interface.fields.keys().map(Name::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Returns the arguments of a schema coordinate such as `Query.metrics` or `@skip`.
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

fn suggestion(given: &str, candidates: &[&str]) -> Option<String> {
    let names: Vec<String> = near_names(given, candidates).into_iter().map(|name| format!("`{name}`")).collect();
    (!names.is_empty()).then(|| format!(". Did you mean {}?", names.join(" or ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_suggested_the_nearest_first() {
        let candidates = vec!["session", "sessions", "metrics", "component"];
        let suggested = |given: &str| suggestion(given, &candidates);
        assert_eq!(suggested("Sesions").as_deref(), Some(". Did you mean `sessions` or `session`?"));
        assert_eq!(suggested("metric").as_deref(), Some(". Did you mean `metrics`?"));
        assert_eq!(suggested("xyz"), None);
        assert_eq!(suggested(&"s".repeat(101)), None);
    }
}
