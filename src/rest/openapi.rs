//! The OpenAPI description of a façade, from its operations and the schema.

use apollo_compiler::{
    Schema,
    ast::Type,
    executable::{Fragment, Selection, SelectionSet},
    schema::ExtendedType,
};
use serde_json::{Map, Value, json};

use super::{
    Facade,
    document::{EntryPoint, Reply, Variable},
    template::Template,
};
use crate::error::Code;

/// An OpenAPI 3.1 document.
pub(super) fn describe(facade: &Facade) -> Value {
    let Facade { prefix, title, document, schema, .. } = facade;
    let writer = Writer { schema, document };
    let mut paths = Map::new();
    for point in &document.entry_points {
        for template in &point.paths {
            let methods = paths.entry(format!("{prefix}{}", template.documented())).or_insert_with(|| json!({}));
            methods[if point.is_post { "post" } else { "get" }] = writer.operation(point, template);
        }
    }
    let mut schemas: Map<String, Value> = document
        .checked
        .fragments
        .iter()
        .map(|(name, fragment)| (name.to_string(), writer.fragment(fragment)))
        .collect();
    schemas.insert(
        "Error".to_owned(),
        json!({
            "type": "object",
            "required": ["message"],
            "properties": { "message": { "type": "string", "description": "What is wrong, and the remedy." } },
        }),
    );
    json!({
        "openapi": "3.1.0",
        "info": { "title": title, "version": env!("CARGO_PKG_VERSION") },
        "paths": paths,
        // Whether one is needed, and which, is for the server's operator to say.
        "security": [{}, { "bearer": [] }, { "password": [] }],
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer", "description": "A token." },
                "password": { "type": "http", "scheme": "basic", "description": "A token as the password of any user." },
            },
        },
    })
}

struct Writer<'a> {
    schema: &'a Schema,
    document: &'a super::document::Document,
}

impl Writer<'_> {
    fn operation(&self, point: &EntryPoint, template: &Template) -> Value {
        let in_path: Vec<&str> = template.arguments().collect();
        let varies = |variable: &&Variable| !in_path.contains(&variable.name.as_str());
        let path = in_path.iter().filter_map(|name| point.variables.iter().find(|variable| variable.name == *name));
        let mut parameters: Vec<Value> =
            path.map(|variable| self.parameter(&variable.name, variable, "path")).collect();
        let mut operation = json!({
            "operationId": format!("{}{}", point.name, if template == &point.paths[0] { "" } else { "Also" }),
            "summary": point.summary,
            "tags": [template.documented().split('/').nth(1).unwrap_or_default()],
        });
        if point.is_post {
            operation["requestBody"] = self.body(point.variables.iter().filter(varies));
        } else {
            for variable in point.variables.iter().filter(varies) {
                parameters.push(self.parameter(&variable.name, variable, "query"));
                let others = point.aliases.iter().filter(|(_, of)| *of == variable.name);
                parameters.extend(others.map(|(name, _)| self.parameter(name, variable, "query")));
            }
        }
        operation["parameters"] = parameters.into();
        operation["responses"] = self.responses(point);
        operation
    }

    fn parameter(&self, name: &str, variable: &Variable, place: &str) -> Value {
        let mut parameter = json!({
            "name": name,
            "in": place,
            "required": place == "path" || variable.is_required(),
            "schema": self.input(&variable.ty),
            "example": self.example(name, &variable.ty),
        });
        if variable.ty.is_list() {
            parameter["style"] = "form".into();
            parameter["explode"] = false.into();
        }
        parameter
    }

    fn body<'v>(&self, variables: impl Iterator<Item = &'v Variable> + Clone) -> Value {
        let properties: Map<String, Value> =
            variables.clone().map(|variable| (variable.name.clone(), self.input(&variable.ty))).collect();
        let example: Map<String, Value> = variables
            .clone()
            .map(|variable| (variable.name.clone(), self.example(&variable.name, &variable.ty)))
            .collect();
        let required: Vec<&str> =
            variables.filter(|variable| variable.is_required()).map(|v| v.name.as_str()).collect();
        let schema = json!({ "type": "object", "required": required, "properties": properties });
        json!({ "required": true, "content": { "application/json": { "schema": schema, "example": example } } })
    }

    fn responses(&self, point: &EntryPoint) -> Value {
        let set = self.root(point);
        let answer = |description: &str, schema: Value| json!({ "description": description, "content": { "application/json": { "schema": schema } } });
        let error = |description: &str| answer(description, json!({ "$ref": "#/components/schemas/Error" }));
        let mut responses = match point.reply {
            Reply::Created => json!({ "201": answer("Stored.", self.created(set)) }),
            Reply::Object => json!({ "200": answer("Found.", self.object(set)) }),
            Reply::All => {
                json!({ "200": answer("Found.", self.object(set)), "204": { "description": "There is none." } })
            }
            Reply::Page => json!({
                "200": answer("A page.", self.envelope(set, point, false)),
                "204": { "description": "There is none." },
                "404": error("There is no such page."),
            }),
            Reply::Listing => json!({
                "200": answer("A page, which may be empty.", self.envelope(set, point, true)),
                "404": error("There is no such page, or a path argument has a value that it does not take."),
            }),
        };
        responses["400"] = error("An argument or a member of the body does not fit.");
        responses["401"] = error("This takes a token.");
        responses["403"] = error("This takes a token of another scope.");
        if point.is_post {
            responses["409"] = error("The hash is known with another payload.");
            responses["413"] = error("The body is over the limit.");
            responses["415"] = error("The body does not say that it is JSON.");
        }
        responses["401"] = error("Who asks is not known: see --access.");
        responses["403"] = error("Who asks may not, or a page of another site asks.");
        responses["429"] = error("Too many requests in a short time: try again after Retry-After.");
        responses["504"] = error("It took too long and was given up.");
        responses["503"] = error(&format!("{}: try again in a second.", Code::Busy));
        responses
    }

    fn root(&self, point: &EntryPoint) -> &SelectionSet {
        &self.document.checked.operations.named[point.name.as_str()].selection_set
    }

    /// The first field of a selection, spreads looked into.
    fn fields<'s>(&'s self, set: &'s SelectionSet) -> Vec<&'s apollo_compiler::executable::Field> {
        let mut fields = Vec::new();
        for selection in &set.selections {
            match selection {
                Selection::Field(field) => fields.push(&**field),
                Selection::InlineFragment(inline) => fields.extend(self.fields(&inline.selection_set)),
                Selection::FragmentSpread(spread) => {
                    if let Some(fragment) = self.document.checked.fragments.get(&spread.fragment_name) {
                        fields.extend(self.fields(&fragment.selection_set));
                    }
                }
            }
        }
        fields
    }

    fn created(&self, set: &SelectionSet) -> Value {
        let payload = self.fields(set).first().and_then(|field| Some(self.fields(field.selection_set.as_ref()?)));
        let object = payload.unwrap_or_default().into_iter().find(|field| field.name != "userErrors");
        object.and_then(|field| field.selection_set.as_ref()).map_or_else(|| json!({}), |set| self.selected(set))
    }

    fn envelope(&self, set: &SelectionSet, point: &EntryPoint, links_are_null: bool) -> Value {
        let root = self.fields(set);
        let of_page = root.iter().find(|field| !field.ty().is_list()).and_then(|field| field.selection_set.as_ref());
        let mut object = self.object(of_page.unwrap_or(set));
        let link = |which: &str| {
            let ty = if links_are_null { json!(["string", "null"]) } else { json!("string") };
            json!({ "type": ty, "description": format!("The path of the {which} page, where there is one.") })
        };
        let properties = &mut object["properties"];
        for name in &point.echo {
            properties[name.as_str()] = json!({ "type": "string", "description": "As it was asked." });
        }
        properties["prev_url"] = link("previous");
        properties["next_url"] = link("next");
        properties["total_page"] = json!({ "type": "integer", "description": "How many pages there are." });
        object
    }

    fn fragment(&self, fragment: &Fragment) -> Value {
        self.object(&fragment.selection_set)
    }

    /// What a selection gives: a reference where it is one fragment and nothing else.
    fn selected(&self, set: &SelectionSet) -> Value {
        match set.selections.as_slice() {
            [Selection::FragmentSpread(spread)] => {
                json!({ "$ref": format!("#/components/schemas/{}", spread.fragment_name) })
            }
            _ => self.object(set),
        }
    }

    fn object(&self, set: &SelectionSet) -> Value {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for field in self.fields(set) {
            let name = field.response_name().to_string();
            let mut schema = self.output(field.ty(), field.selection_set.as_ref());
            if let (Some(text), Some(schema)) = (&field.definition.description, schema.as_object_mut())
                && !schema.contains_key("$ref")
            {
                schema.insert("description".to_owned(), text.to_string().into());
            }
            if !field.directives.has("omitNull") {
                required.push(name.clone());
            }
            properties.insert(name, schema);
        }
        json!({ "type": "object", "required": required, "properties": properties })
    }

    fn output(&self, ty: &Type, set: Option<&SelectionSet>) -> Value {
        if ty.is_list() {
            return json!({ "type": "array", "items": self.output(ty.item_type(), set) });
        }
        set.map_or_else(|| self.input(ty), |set| self.selected(set))
    }

    fn input(&self, ty: &Type) -> Value {
        if ty.is_list() {
            return json!({ "type": "array", "items": self.input(ty.item_type()) });
        }
        let (name, mut format) = match ty.inner_named_type().as_str() {
            "Int" => ("integer", None),
            "Float" => ("number", Some("double")),
            "Boolean" => ("boolean", None),
            "Tags" => ("object", None),
            _ => ("string", None),
        };
        let mut schema = if ty.is_non_null() { json!({ "type": name }) } else { json!({ "type": [name, "null"] }) };
        match self.schema.types.get(ty.inner_named_type().as_str()) {
            Some(ExtendedType::Enum(definition)) => {
                let values = definition.values.keys().map(|value| value.to_ascii_lowercase());
                schema = json!({ "type": "string", "enum": values.collect::<Vec<_>>() });
            }
            Some(ExtendedType::Scalar(definition)) if !definition.is_built_in() => {
                if let Some(text) = &definition.description {
                    schema["description"] = text.to_string().into();
                }
            }
            _ => {}
        }
        if let Some(format) = format.take() {
            schema["format"] = format.into();
        }
        schema
    }

    fn example(&self, name: &str, ty: &Type) -> Value {
        if ty.is_list() {
            return json!([self.example(name, ty.item_type())]);
        }
        match ty.inner_named_type().as_str() {
            "Int" => 1.into(),
            "Float" => 0.25.into(),
            "Boolean" => true.into(),
            "LocalDateTime" => "2026-01-05T03:00:00.125000".into(),
            "Tags" => json!({ "pipeline_branch": "main", "pipeline_build_no": "100", "python": "3.12" }),
            named => match self.schema.types.get(named) {
                Some(ExtendedType::Enum(definition)) => {
                    definition.values.keys().next().map(|value| value.to_ascii_lowercase()).into()
                }
                _ => name.into(),
            },
        }
    }
}
