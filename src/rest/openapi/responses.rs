//! Schemas of responses.

use apollo_compiler::{ast::Type, executable::SelectionSet, schema::ExtendedType};
use serde_json::{Value, json};

use crate::rest::{
    document::{Endpoint, Reply},
    format::Format,
    openapi::{inputs::plain, names::pascal, writer::Writer},
    rows::RowsForm,
};

/// Adds the media types of rows, and the link to the next page.
pub(crate) fn add_formats(response: &mut Value, form: &RowsForm) {
    for format in Format::OF_ROWS {
        let about = match format {
            Format::Json => continue,
            Format::Csv => {
                format!("A line of names, then a line for each object: {}.", form.columns.names().join(", "))
            }
            Format::Ndjson => format!("A line for each object of `{}`.", form.list),
        };
        response["content"][format.name()] = json!({ "schema": { "type": "string", "description": about } });
    }
    if form.is_paged {
        let about = "The next page, if there is one: `<?QUERY>; rel=\"next\"`, relative to the request.";
        response["headers"] = json!({ "Link": { "description": about, "schema": { "type": "string" } } });
    }
}

impl Writer<'_> {
    /// Returns a reference to the response schema of `endpoint`.
    pub(crate) fn response(&mut self, endpoint: &Endpoint) -> Value {
        let set = self.root(endpoint).clone();
        let name = format!("{}Response", pascal(&endpoint.name));
        match endpoint.reply {
            Reply::Created => self.created(&set, &name),
            Reply::Object | Reply::All => {
                let schema = self.object(&set, &name);
                self.components.add(&name, schema)
            }
            Reply::Page | Reply::Listing => self.envelope(&set, endpoint, &name),
            Reply::Rows => {
                let mut set = set;
                for step in endpoint.rows.iter().flat_map(|form| &form.path) {
                    let object = self.fields(&set).into_iter().find(|field| field.response_name() == step.as_str());
                    set = object.and_then(|field| field.selection_set.clone()).unwrap_or(set);
                }
                self.selected(&set, &name)
            }
            Reply::One => {
                let root = self.fields(&set).into_iter().find(|field| !field.ty().is_list());
                let set = root.and_then(|field| field.selection_set.clone()).unwrap_or(set);
                self.selected(&set, &name)
            }
        }
    }

    fn created(&mut self, set: &SelectionSet, name: &str) -> Value {
        let payload = self.fields(set).first().and_then(|field| field.selection_set.clone());
        let object = payload.as_ref().and_then(|payload| {
            let mut fields = self.fields(payload).into_iter();
            fields.rfind(|field| field.name != "userErrors").and_then(|field| field.selection_set.clone())
        });
        let object = object.unwrap_or_else(|| set.clone());
        self.selected(&object, name)
    }

    fn envelope(&mut self, set: &SelectionSet, endpoint: &Endpoint, name: &str) -> Value {
        let of_page =
            self.fields(set).iter().find(|field| !field.ty().is_list()).and_then(|field| field.selection_set.clone());
        let set = of_page.as_ref().unwrap_or(set);
        let mut schema = self.object(set, name);
        let is_listing = endpoint.reply == Reply::Listing;
        let mut always: Vec<&str> = Vec::new();
        for name in &endpoint.echo {
            schema["properties"][name] = json!({ "type": "string", "description": "The path argument, as given." });
            always.push(name);
        }
        for (name, which) in [("prev_url", "previous"), ("next_url", "next")] {
            let about = format!("Path and query string of the {which} page, if there is one.");
            let link = json!({ "type": "string", "description": about });
            schema["properties"][name] = if is_listing { self.components.or_null(link) } else { link };
        }
        schema["properties"]["total_page"] =
            json!({ "type": "integer", "format": "int32", "description": "Number of pages." });
        always.push("total_page");
        if is_listing {
            always.extend(["prev_url", "next_url"]);
        }
        if let Some(required) = schema["required"].as_array_mut() {
            for name in always {
                if !required.iter().any(|present| present == name) {
                    required.push(name.into());
                }
            }
        }
        self.components.add(Self::only_fragment(set).unwrap_or(name), schema)
    }

    /// Returns a reference to the schema of a selection. A single fragment gives its name to the component.
    fn selected(&mut self, set: &SelectionSet, name: &str) -> Value {
        let schema = self.object(set, name);
        self.components.add(Self::only_fragment(set).unwrap_or(name), schema)
    }

    fn object(&mut self, set: &SelectionSet, owner: &str) -> Value {
        let fields: Vec<_> = self.fields(set).into_iter().cloned().collect();
        let owner = Self::only_fragment(set).unwrap_or(owner);
        let (mut properties, mut required) = (serde_json::Map::new(), Vec::new());
        for field in fields {
            let name = field.response_name().to_string();
            let is_omitted = field.directives.has("omitNull");
            let mut schema =
                self.output(field.ty(), field.selection_set.as_ref(), &format!("{owner}{}", pascal(&name)));
            if !field.ty().is_non_null() && !is_omitted {
                schema = self.components.or_null(schema);
            }
            if let Some(text) = &field.definition.description {
                schema = self.components.with(schema, "description", text.to_string().into());
            }
            if !is_omitted {
                required.push(name.clone());
            }
            properties.insert(name, schema);
        }
        json!({ "type": "object", "required": required, "properties": properties })
    }

    /// Returns the schema of the non-null values of a field.
    fn output(&mut self, ty: &Type, set: Option<&SelectionSet>, name: &str) -> Value {
        if ty.is_list() {
            let item = self.output(ty.item_type(), set, name);
            let item = if ty.item_type().is_non_null() { item } else { self.components.or_null(item) };
            return json!({ "type": "array", "items": item });
        }
        if let Some(set) = set {
            return self.selected(set, name);
        }
        match self.schema.types.get(ty.inner_named_type().as_str()) {
            // Responses spell enum values as GraphQL does.
            Some(ExtendedType::Enum(definition)) => {
                json!({ "type": "string", "enum": definition.values.keys().map(ToString::to_string).collect::<Vec<_>>() })
            }
            _ => plain(ty.inner_named_type()),
        }
    }
}
