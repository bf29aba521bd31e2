//! The named schemas of a description, and what the OpenAPI versions spell differently.

use serde_json::{Map, Value, json};

use crate::rest::openapi::version::OpenApiVersion;

pub(crate) struct Components {
    version: OpenApiVersion,
    schemas: Map<String, Value>,
}

impl Components {
    pub fn new(version: OpenApiVersion) -> Self {
        Self { version, schemas: Map::new() }
    }

    pub fn finish(self) -> Value {
        self.schemas.into()
    }

    /// Returns a reference to an equal component, or adds one with this name. A taken name gets a number.
    pub fn add(&mut self, name: &str, schema: Value) -> Value {
        if let Some((equal, _)) = self.schemas.iter().find(|(_, stored)| **stored == schema) {
            return reference(equal);
        }
        let name = self.free(name);
        let reference = reference(&name);
        self.schemas.insert(name, schema);
        reference
    }

    /// Reserves a component that is written later, because it may refer to itself. Returns its name and a reference.
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

    /// Adds a member to a schema. OpenAPI 3.0 ignores members next to `$ref`, so references are wrapped there.
    pub fn with(&self, schema: Value, name: &str, value: Value) -> Value {
        let is_reference = schema.get("$ref").is_some();
        let mut schema =
            if is_reference && self.version == OpenApiVersion::V3_0 { json!({ "allOf": [schema] }) } else { schema };
        schema[name] = value;
        schema
    }

    /// Returns the schema of a text, a number, a boolean or null.
    pub fn scalars(&self) -> Value {
        match self.version {
            OpenApiVersion::V3_0 => json!({
                "oneOf": [{ "type": "string", "nullable": true }, { "type": "number" }, { "type": "boolean" }],
            }),
            OpenApiVersion::V3_1 => json!({ "type": ["string", "number", "boolean", "null"] }),
        }
    }

    /// Returns `schema` or null.
    pub fn or_null(&self, schema: Value) -> Value {
        match (self.version, schema.get("$ref").is_some()) {
            (OpenApiVersion::V3_0, is_reference) => {
                // `nullable` counts only next to a type. What is not written yet refers to itself, so it is an object.
                let name = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next());
                let referred = name.and_then(|name| self.schemas.get(name)).map(|component| component["type"].clone());
                let mut nullable = self.with(schema, "nullable", true.into());
                if is_reference {
                    nullable["type"] = referred.filter(Value::is_string).unwrap_or_else(|| "object".into());
                }
                nullable
            }
            (OpenApiVersion::V3_1, true) => json!({ "anyOf": [schema, { "type": "null" }] }),
            (OpenApiVersion::V3_1, false) => {
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
