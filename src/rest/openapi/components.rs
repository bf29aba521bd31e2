//! The schemas that a description names, and what its version lets one say beside a reference.

use serde_json::{Map, Value, json};

use crate::rest::OpenApi;

pub(in crate::rest::openapi) struct Components {
    version: OpenApi,
    schemas: Map<String, Value>,
}

impl Components {
    pub fn new(version: OpenApi) -> Self {
        Self { version, schemas: Map::new() }
    }

    pub fn finish(self) -> Value {
        self.schemas.into()
    }

    /// A reference to `schema`: to the component that is equal to it, or else to a new one of this name, numbered where that is taken.
    pub fn add(&mut self, name: &str, schema: Value) -> Value {
        if let Some((known, _)) = self.schemas.iter().find(|(_, known)| **known == schema) {
            return reference(known);
        }
        let name = self.free(name);
        let reference = reference(&name);
        self.schemas.insert(name, schema);
        reference
    }

    /// A reference to a component that is yet to be written, since it may lead back to itself.
    pub fn reserve(&mut self, name: &str) -> (String, Value) {
        let name = self.free(name);
        self.schemas.insert(name.clone(), Value::Null);
        let reference = reference(&name);
        (name, reference)
    }

    /// Writes a reserved component.
    pub fn write(&mut self, name: String, schema: Value) {
        self.schemas.insert(name, schema);
    }

    fn free(&self, name: &str) -> String {
        let is_free = |name: &String| !self.schemas.contains_key(name);
        let numbered = (2..).map(|number| format!("{name}{number}"));
        std::iter::once(name.to_owned()).chain(numbered).find(is_free).unwrap_or_default()
    }

    /// A schema with one more member: beside a reference, OpenAPI 3.0 reads nothing.
    pub fn with(&self, schema: Value, name: &str, value: Value) -> Value {
        let is_reference = schema.get("$ref").is_some();
        let mut schema =
            if is_reference && self.version == OpenApi::V3_0 { json!({ "allOf": [schema] }) } else { schema };
        schema[name] = value;
        schema
    }

    /// A text, a number, a boolean or null.
    pub fn scalars(&self) -> Value {
        match self.version {
            OpenApi::V3_0 => json!({
                "oneOf": [{ "type": "string", "nullable": true }, { "type": "number" }, { "type": "boolean" }],
            }),
            OpenApi::V3_1 => json!({ "type": ["string", "number", "boolean", "null"] }),
        }
    }

    /// What fits `schema`, or null.
    pub fn or_null(&self, schema: Value) -> Value {
        match (self.version, schema.get("$ref").is_some()) {
            (OpenApi::V3_0, _) => self.with(schema, "nullable", true.into()),
            (OpenApi::V3_1, true) => json!({ "anyOf": [schema, { "type": "null" }] }),
            (OpenApi::V3_1, false) => {
                let mut schema = schema;
                schema["type"] = json!([schema["type"], "null"]);
                schema
            }
        }
    }
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}
