//! Schemas of arguments and bodies, with the descriptions of the GraphQL arguments that they fill.

use std::collections::HashMap;

use apollo_compiler::{
    Node, Schema,
    ast::{InputValueDefinition, Type, Value as Literal},
    schema::ExtendedType,
};
use serde_json::{Value, json};

use crate::{
    graphql::{MAX_ROWS, MAX_SHORT_LIST},
    rest::{
        document::{Document, Endpoint},
        openapi::writer::Writer,
    },
};

/// ISO 8601 in the form that Python and most others write.
const DATE_TIME: &str =
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?$";

/// The GraphQL argument that a variable fills: the path of arguments and input fields.
pub(crate) struct ArgumentPath {
    /// The root field.
    pub field: String,
    trail: Vec<Node<InputValueDefinition>>,
}

impl ArgumentPath {
    /// Returns its description.
    pub fn about(&self) -> String {
        let text = |definition: &InputValueDefinition| definition.description.as_deref().unwrap_or_default().to_owned();
        let Some(last) = self.trail.last() else { return String::new() };
        match self.condition() {
            // Equality is the default expectation and needs no words.
            Some(of) if last.name == "eq" => text(of),
            Some(of) => format!("{} {}", text(of), text(last)),
            None => text(last),
        }
    }

    /// Returns the name of the filtered field, or of the argument if it is no filter.
    pub fn name(&self) -> &str {
        let of = self.condition().filter(|of| !of.ty.inner_named_type().starts_with("Tagged"));
        of.or(self.trail.last()).map(|definition| definition.name.as_str()).unwrap_or_default()
    }

    /// Returns the field that this is a filter condition of.
    fn condition(&self) -> Option<&Node<InputValueDefinition>> {
        let of = self.trail.iter().rev().nth(1)?;
        of.ty.inner_named_type().ends_with("Filter").then_some(of)
    }
}

/// Returns the GraphQL argument of each variable of `endpoint`.
pub(crate) fn places(schema: &Schema, document: &Document, endpoint: &Endpoint) -> HashMap<String, ArgumentPath> {
    fn within(
        schema: &Schema,
        field: &str,
        trail: &[Node<InputValueDefinition>],
        value: &Literal,
        found: &mut HashMap<String, ArgumentPath>,
    ) {
        match value {
            Literal::Variable(name) => {
                found
                    .entry(name.to_string())
                    .or_insert_with(|| ArgumentPath { field: field.to_owned(), trail: trail.to_vec() });
            }
            Literal::List(items) => items.iter().for_each(|item| within(schema, field, trail, item, found)),
            Literal::Object(members) => {
                let ty = trail.last().and_then(|last| schema.types.get(last.ty.inner_named_type().as_str()));
                let Some(ExtendedType::InputObject(object)) = ty else { return };
                for (name, value) in members {
                    if let Some(member) = object.fields.get(name) {
                        let trail: Vec<_> = trail.iter().cloned().chain([member.clone()]).collect();
                        within(schema, field, &trail, value, found);
                    }
                }
            }
            _ => {}
        }
    }
    let mut found = HashMap::new();
    for field in document.executable.operations.named[endpoint.name.as_str()].all_fields(&document.executable) {
        for argument in &field.arguments {
            if let Some(definition) = field.definition.argument_by_name(&argument.name) {
                within(schema, &field.name, std::slice::from_ref(definition), &argument.value, &mut found);
            }
        }
    }
    found
}

/// Adds the bounds of the place to a schema.
pub(crate) fn bound(schema: &mut Value, place: Option<&ArgumentPath>) {
    let name = place.and_then(|place| place.trail.last()).map(|last| last.name.as_str());
    if let (Some("first" | "last"), "integer") = (name, schema["type"].as_str().unwrap_or_default()) {
        schema["minimum"] = 0.into();
        schema["maximum"] = MAX_ROWS.into();
    }
}

/// A type without members, by its name.
pub(crate) fn plain(name: &str) -> Value {
    match name {
        "Int" => json!({ "type": "integer", "format": "int32" }),
        "Float" => json!({ "type": "number", "format": "double" }),
        "Boolean" => json!({ "type": "boolean" }),
        _ => json!({ "type": "string" }),
    }
}

impl Writer<'_> {
    /// Returns the schema of the values of a type other than null.
    pub(crate) fn input(&mut self, ty: &Type) -> Value {
        if ty.is_list() {
            let item = self.input(ty.item_type());
            let item = if ty.item_type().is_non_null() { item } else { self.components.or_null(item) };
            return json!({ "type": "array", "items": item });
        }
        let name = ty.inner_named_type().as_str();
        if let Some(reference) = self.inputs.get(name) {
            return reference.clone();
        }
        let reference = match self.schema.types.get(name) {
            Some(ExtendedType::Enum(definition)) => {
                let values = definition.values.keys().map(|value| value.to_ascii_lowercase());
                let mut schema = json!({ "type": "string", "enum": values.collect::<Vec<_>>() });
                if let Some(text) = &definition.description {
                    schema["description"] = text.to_string().into();
                }
                self.components.add(name, schema)
            }
            Some(ExtendedType::InputObject(definition)) => {
                let definition = definition.clone();
                let (component, reference) = self.components.reserve(name);
                self.inputs.insert(name.to_owned(), reference.clone());
                let (mut properties, mut required) = (serde_json::Map::new(), Vec::new());
                for (field, definition) in &definition.fields {
                    let mut schema = self.input(&definition.ty);
                    if !definition.ty.is_non_null() {
                        schema = self.components.or_null(schema);
                    }
                    if let Some(text) = &definition.description {
                        schema = self.components.with(schema, "description", text.to_string().into());
                    }
                    properties.insert(field.to_string(), schema);
                    if definition.is_required() {
                        required.push(field.to_string());
                    }
                }
                let mut schema = json!({ "type": "object", "properties": properties });
                if !required.is_empty() {
                    schema["required"] = required.into();
                }
                self.components.write(component, schema);
                reference
            }
            Some(ExtendedType::Scalar(definition)) if name == "Tags" => {
                let values = self.components.scalars();
                let mut schema =
                    json!({ "type": "object", "maxProperties": MAX_SHORT_LIST, "additionalProperties": values });
                if let Some(text) = &definition.description {
                    schema["description"] = text.to_string().into();
                }
                self.components.add(name, schema)
            }
            _ if name == "LocalDateTime" => return json!({ "type": "string", "pattern": DATE_TIME }),
            _ => return plain(name),
        };
        self.inputs.insert(name.to_owned(), reference.clone());
        reference
    }
}
