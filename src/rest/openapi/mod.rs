//! OpenAPI descriptions of a REST API, generated from its operations and the GraphQL schema.

mod components;
mod examples;
mod inputs;
mod names;
mod responses;
pub mod version;
mod writer;

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use self::{components::Components, inputs::ArgumentPath, version::OpenApiVersion, writer::Writer};
use crate::{
    error::Code,
    rest::{
        api::RestApi,
        document::{Endpoint, Reply, Variable},
        template::Template,
    },
};

/// Returns the OpenAPI description of an API.
pub(crate) fn describe(api: &RestApi, version: OpenApiVersion) -> Value {
    let RestApi { name, prefix, manners, document, schema } = api;
    let is_strict = manners.is_strict;
    let mut writer =
        Writer { schema, document, is_strict, components: Components::new(version), inputs: HashMap::new() };
    let error = json!({
        "type": "object",
        "required": ["message"],
        "properties": { "message": { "type": "string", "description": "What is wrong and how to correct it." } },
    });
    let error = writer.components.add("ErrorMessage", error);
    let mut ids = names::Ids::of(document);
    let (mut paths, mut tags) = (Map::new(), Vec::new());
    for endpoint in &document.endpoints {
        for template in &endpoint.paths {
            let tag = template.documented().split('/').nth(1).unwrap_or_default().to_owned();
            let methods = paths.entry(format!("{prefix}{}", template.documented())).or_insert_with(|| json!({}));
            methods[if endpoint.is_post { "post" } else { "get" }] =
                writer.operation(endpoint, template, &tag, &ids.next(endpoint, template), &error);
            if !tags.contains(&tag) {
                tags.push(tag);
            }
        }
    }
    let mut info = json!({
        "title": format!("Metrograph REST {name}"),
        "version": env!("CARGO_PKG_VERSION"),
        "description": manners.about,
    });
    if manners.is_public {
        info["license"] = match version {
            OpenApiVersion::V3_0 => json!({ "name": "MIT", "url": "https://spdx.org/licenses/MIT.html" }),
            OpenApiVersion::V3_1 => json!({ "name": "MIT", "identifier": "MIT" }),
        };
    }
    json!({
        "openapi": match version { OpenApiVersion::V3_0 => "3.0.3", OpenApiVersion::V3_1 => "3.1.0" },
        "info": info,
        // Relative to the description, since a proxy may add a path prefix.
        "servers": [{ "url": "../.." }],
        "tags": tags.iter().map(|tag| json!({ "name": tag, "description": names::about_tag(tag) })).collect::<Value>(),
        "paths": paths,
        // Whether a token is needed depends on --access.
        "security": [{}, { "bearer": [] }, { "password": [] }],
        "components": {
            "schemas": writer.components.finish(),
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer", "description": "A token." },
                "password": { "type": "http", "scheme": "basic", "description": "A token as the password of any user." },
            },
        },
    })
}

impl Writer<'_> {
    fn operation(&mut self, endpoint: &Endpoint, template: &Template, tag: &str, id: &str, error: &Value) -> Value {
        let in_path: Vec<&str> = template.arguments().collect();
        let places = inputs::places(self.schema, self.document, endpoint);
        let place = |variable: &Variable| places.get(&variable.name);
        let elsewhere: Vec<&Variable> =
            endpoint.variables.iter().filter(|variable| !in_path.contains(&variable.name.as_str())).collect();
        let named = in_path.iter().filter_map(|name| endpoint.variables.iter().find(|variable| variable.name == *name));
        let mut parameters: Vec<Value> =
            named.map(|variable| self.parameter(&variable.name, variable, place(variable), true)).collect();
        let mut operation = json!({ "operationId": id, "summary": endpoint.summary, "tags": [tag] });
        if endpoint.is_post {
            operation["requestBody"] = self.body(endpoint, &elsewhere, &places);
        } else {
            for variable in elsewhere {
                parameters.push(self.parameter(&variable.name, variable, place(variable), false));
                for (name, _) in endpoint.aliases.iter().filter(|(_, of)| *of == variable.name) {
                    parameters.push(self.parameter(name, variable, place(variable), false));
                }
            }
        }
        operation["parameters"] = parameters.into();
        operation["responses"] = self.responses(endpoint, error);
        operation
    }

    fn parameter(&mut self, name: &str, variable: &Variable, place: Option<&ArgumentPath>, is_in_path: bool) -> Value {
        let mut schema = self.input(&variable.ty);
        inputs::bound(&mut schema, place);
        if is_in_path {
            if schema["type"] == "string" {
                // An empty path segment never matches an argument.
                schema["minLength"] = 1.into();
            }
        } else if let Some(default) = &variable.default {
            schema = self.components.with(schema, "default", default.clone());
        }
        let mut parameter = json!({
            "name": name,
            "in": if is_in_path { "path" } else { "query" },
            "required": is_in_path || variable.is_required(),
            "description": place.map_or_else(|| format!("The variable `{}`.", variable.name), ArgumentPath::about),
            "schema": schema,
        });
        // The interactive page sends examples: those of filters that nobody asked for would leave nothing.
        if is_in_path || variable.is_required() || !self.is_strict {
            parameter["example"] = examples::of(self.schema, &variable.ty, variable, place);
        }
        if variable.ty.is_list() {
            parameter["style"] = "form".into();
            parameter["explode"] = false.into();
        }
        parameter
    }

    fn body(&mut self, endpoint: &Endpoint, variables: &[&Variable], places: &HashMap<String, ArgumentPath>) -> Value {
        let (mut properties, mut example) = (Map::new(), Map::new());
        for variable in variables {
            let place = places.get(&variable.name);
            let mut schema = self.input(&variable.ty);
            inputs::bound(&mut schema, place);
            if !variable.ty.is_non_null() {
                schema = self.components.or_null(schema);
            }
            if let Some(default) = &variable.default {
                schema = self.components.with(schema, "default", default.clone());
            }
            if let Some(place) = place {
                schema = self.components.with(schema, "description", place.about().into());
            }
            properties.insert(variable.name.clone(), schema);
            example.insert(variable.name.clone(), examples::of(self.schema, &variable.ty, variable, place));
        }
        let required: Vec<&str> =
            variables.iter().filter(|variable| variable.is_required()).map(|v| v.name.as_str()).collect();
        let mut schema = json!({ "type": "object", "properties": properties });
        if !required.is_empty() {
            schema["required"] = required.into();
        }
        let schema = self.components.add(&format!("{}Request", names::pascal(&endpoint.name)), schema);
        json!({ "required": true, "content": { "application/json": { "schema": schema, "example": example } } })
    }

    fn responses(&mut self, endpoint: &Endpoint, error: &Value) -> Value {
        let answer = |description: &str, schema: Value| {
            let content = json!({ "application/json": { "schema": schema } });
            json!({ "description": description, "content": content })
        };
        let error = |description: &str| answer(description, error.clone());
        let body = self.response(endpoint);
        let mut responses = match endpoint.reply {
            Reply::Created => json!({ "201": answer("Stored.", body) }),
            Reply::Object => json!({ "200": answer("The result.", body) }),
            Reply::All => json!({ "200": answer("The result.", body), "204": { "description": "No results." } }),
            Reply::Page => json!({
                "200": answer("A page.", body),
                "204": { "description": "No results." },
                "404": error("The page does not exist."),
            }),
            Reply::Listing => json!({
                "200": answer("A page, which may be empty.", body),
                "404": error("The page does not exist, or a path argument is invalid."),
            }),
            Reply::Rows => {
                let mut rows = json!({ "200": answer("The rows. There may be none.", body) });
                if let Some(form) = &endpoint.rows {
                    responses::add_formats(&mut rows["200"], form);
                    if form.may_lack {
                        rows["404"] = error("There is no such object.");
                    }
                }
                rows
            }
            Reply::One => json!({ "200": answer("The object.", body), "404": error("There is no such object.") }),
        };
        responses["400"] = error(if self.is_strict {
            "A parameter is unknown, or its value is invalid."
        } else {
            "An argument or a member of the body is invalid."
        });
        responses["401"] = error("A valid token is required (see --access).");
        responses["403"] = error("The token lacks the required scope, or the request is cross-origin.");
        if self.is_strict || endpoint.rows.is_some() {
            responses["406"] = error("None of the media types in Accept is available.");
        }
        if endpoint.is_post {
            responses["409"] = error("The hash is already stored with other content.");
            responses["413"] = error("The body exceeds the limit.");
            responses["415"] = error("The content type is not JSON.");
        }
        responses["429"] = error("Too many requests. Retry after the time in Retry-After.");
        responses["503"] = error(&format!("{}: retry after a second.", Code::Busy));
        responses["504"] = error("The request timed out.");
        responses
    }
}
