//! Rows: a list of objects as CSV or NDJSON. Both are made of the list's JSON text, so numbers are spelled alike in all formats.

use std::{borrow::Cow, collections::HashMap};

use apollo_compiler::{
    ExecutableDocument, Schema,
    executable::{Field, SelectionSet},
};
use async_graphql::{Value, indexmap::IndexMap};
use serde_json::value::RawValue;

use crate::{
    error::{Code, Error},
    graphql::write_json,
    rest::format::Format,
};

/// Members of the `page_info` of a connection.
pub(super) const HAS_NEXT_PAGE: &str = "has_next_page";
/// See [`HAS_NEXT_PAGE`].
pub(super) const END_CURSOR: &str = "end_cursor";
/// The member with these.
pub(super) const PAGE_INFO: &str = "page_info";
/// The variable that takes the `end_cursor` of the page before.
pub(super) const AFTER: &str = "after";

/// The place of the rows in the answer of an operation, and their columns.
#[derive(Debug, PartialEq)]
pub(super) struct RowsForm {
    /// The response names of the objects that lead to the list, from the root field on; none if that is the list.
    pub path: Vec<String>,
    /// Whether an object on the way may be null.
    pub may_lack: bool,
    /// Whether the rows are members of a connection, which has pages.
    pub is_paged: bool,
    /// The response name of the list.
    pub list: String,
    pub columns: Columns,
}

impl RowsForm {
    /// Finds the rows: the root field, or the one member that is a list of objects of the object that it leads to, through objects of which
    /// nothing else is selected.
    ///
    /// # Errors
    /// What is missing.
    pub fn of(schema: &Schema, document: &ExecutableDocument, roots: &[&Field]) -> Result<Self, &'static str> {
        let is_list = |field: &&&Field| field.ty().is_list() && field.selection_set.is_some();
        let (mut path, mut may_lack, mut parents) = (Vec::new(), false, Vec::new());
        let mut members = roots.to_vec();
        while let Some(only) = only_object(&members) {
            may_lack |= !only.ty().is_non_null();
            path.push(only.response_name().to_string());
            parents = members;
            members = fields(document, parents.iter().copied());
        }
        let list = members.iter().find(is_list).ok_or("a list of objects, or a connection with nodes")?;
        if members.iter().any(|field| is_list(&field) && field.response_name() != list.response_name()) {
            return Err("a connection with one list");
        }
        let of_list = members.iter().copied().filter(|field| field.response_name() == list.response_name());
        let columns = Columns::of(document, &fields(document, of_list));
        let infos = members.iter().copied().filter(|field| field.response_name() == PAGE_INFO);
        let infos = fields(document, infos);
        let has = |name: &str, field: &str| infos.iter().any(|info| info.response_name() == name && info.name == field);
        let is_paged = has(HAS_NEXT_PAGE, "hasNextPage") && has(END_CURSOR, "endCursor");
        let is_connection = parents.first().is_some_and(|parent| {
            let fields = schema.get_object(parent.ty().inner_named_type()).map(|object| &object.fields);
            fields.is_some_and(|fields| fields.contains_key("pageInfo"))
        });
        if is_connection && !is_paged {
            return Err("a connection with page_info: pageInfo { has_next_page: hasNextPage end_cursor: endCursor }");
        }
        Ok(Self { path, may_lack, is_paged, list: list.response_name().to_string(), columns })
    }

    /// Writes an answer that consists of these members in `format`.
    ///
    /// # Errors
    /// [`Code::Internal`]: the answer does not have this form.
    pub fn write(&self, members: &Value, format: Format) -> Result<Vec<u8>, Error> {
        let mut json = Vec::new();
        if format == Format::Json {
            write_json(members, &mut json);
            return Ok(json);
        }
        let Value::Object(members) = members else { return Err(wrong_shape(&"no object")) };
        match members.get(self.list.as_str()) {
            // Lists that wrote themselves are the text already.
            Some(Value::Binary(text)) => self.write_rows(text, format),
            Some(list) => {
                write_json(list, &mut json);
                self.write_rows(&json, format)
            }
            None => Err(wrong_shape(&"no list")),
        }
    }

    fn write_rows(&self, json: &[u8], format: Format) -> Result<Vec<u8>, Error> {
        let rows: Vec<&RawValue> = serde_json::from_slice(json).map_err(|error| wrong_shape(&error))?;
        if format == Format::Csv {
            return self.columns.write(&rows).map_err(|error| wrong_shape(&error));
        }
        let mut lines = Vec::with_capacity(json.len());
        for row in rows {
            lines.extend_from_slice(row.get().as_bytes());
            lines.push(b'\n');
        }
        Ok(lines)
    }
}

fn wrong_shape(reason: &dyn std::fmt::Display) -> Error {
    Error::new(Code::Internal, format!("the rows do not have the form that the endpoint declares: {reason}"))
}

/// Returns the object that is all that is selected; none if there is something else, or nothing.
fn only_object<'d>(selected: &[&'d Field]) -> Option<&'d Field> {
    let first = selected.first()?;
    let is_only = selected.iter().all(|field| field.response_name() == first.response_name());
    (is_only && !first.ty().is_list() && first.selection_set.is_some()).then_some(*first)
}

/// Returns the fields that `parents` select, including those of fragments.
fn fields<'d>(document: &'d ExecutableDocument, parents: impl Iterator<Item = &'d Field>) -> Vec<&'d Field> {
    let sets = parents.filter_map(|parent| parent.selection_set.as_ref());
    sets.flat_map(|set: &SelectionSet| set.root_fields(document)).map(|field| &**field).collect()
}

/// The columns of a table, in the order of the selection. They do not depend on the rows.
#[derive(Debug, PartialEq)]
pub(super) struct Columns(Vec<Column>);

#[derive(Debug, PartialEq)]
struct Column {
    name: String,
    /// The columns of the object that it stands for; `None` if it is one cell.
    inner: Option<Columns>,
}

impl Columns {
    /// Fields with the same response name are merged, as in responses.
    fn of(document: &ExecutableDocument, selected: &[&Field]) -> Self {
        let mut merged: IndexMap<&str, Vec<&Field>> = IndexMap::new();
        for field in selected {
            merged.entry(field.response_name().as_str()).or_default().push(field);
        }
        let column = |(name, same): (&str, Vec<&Field>)| {
            // A list is one cell: its length is not known here.
            let is_object = same.iter().any(|field| field.selection_set.is_some() && !field.ty().is_list());
            let inner = is_object.then(|| Self::of(document, &fields(document, same.iter().copied())));
            Column { name: name.to_owned(), inner }
        };
        Self(merged.into_iter().map(column).collect())
    }

    /// Returns the names of all cells; those of inner objects with a dot.
    pub fn names(&self) -> Vec<String> {
        let names = |column: &Column| match &column.inner {
            Some(inner) => inner.names().iter().map(|name| format!("{}.{name}", column.name)).collect(),
            None => vec![column.name.clone()],
        };
        self.0.iter().flat_map(names).collect()
    }

    /// Writes a row of names and a row for each object.
    fn write(&self, rows: &[&RawValue]) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
        let mut table = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
        table.write_record(self.names())?;
        let mut cells = Vec::new();
        for row in rows {
            cells.clear();
            self.cells(Some(row), &mut cells)?;
            table.write_record(cells.iter().map(|cell| cell.as_bytes()))?;
        }
        Ok(table.into_inner()?)
    }

    /// Adds the cells of an object. Those of one that is null are empty.
    fn cells<'j>(&self, object: Option<&'j RawValue>, cells: &mut Vec<Cow<'j, str>>) -> serde_json::Result<()> {
        // Response names have no escapes, so they can be borrowed.
        let members: Option<HashMap<&str, &RawValue>> = match object {
            Some(object) => serde_json::from_str(object.get())?,
            None => None,
        };
        for Column { name, inner } in &self.0 {
            let member = members.as_ref().and_then(|members| members.get(name.as_str()).copied());
            match inner {
                Some(inner) => inner.cells(member, cells)?,
                None => cells.push(member.map_or(Ok(Cow::Borrowed("")), cell)?),
            }
        }
        Ok(())
    }
}

/// Returns the cell of a value: a text without quotes, nothing for null, anything else as JSON has it.
fn cell(value: &RawValue) -> serde_json::Result<Cow<'_, str>> {
    match value.get() {
        "null" => Ok(Cow::Borrowed("")),
        text if text.starts_with('"') => serde_json::from_str(text).map(Cow::Owned),
        other => Ok(Cow::Borrowed(other)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that can't go on fails")]
mod tests {
    use apollo_compiler::Schema;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const SCHEMA: &str = "type Query { rows: [Row!]! page: Page! row: Row of: Pages! } type Pages { page: Page! } type Page { nodes: [Row!]! other: [Row!]! pageInfo: Info! } \
                          type Info { hasNextPage: Boolean! endCursor: String } \
                          type Row { a: String b: Int inner: Row tags: [Row!]! names: [String!]! }";

    fn form(operation: &str) -> Result<RowsForm, &'static str> {
        let schema = Schema::parse_and_validate(SCHEMA, "schema").unwrap();
        let document = ExecutableDocument::parse_and_validate(&schema, operation, "document").unwrap();
        let operation = document.operations.get(None).unwrap();
        let roots: Vec<&Field> = operation.root_fields(&document).map(|field| &**field).collect();
        RowsForm::of(&schema, &document, &roots)
    }

    fn table(form: &RowsForm, rows: &serde_json::Value) -> String {
        let members = Value::from_json(json!({ &form.list: rows })).unwrap();
        String::from_utf8(form.write(&members, Format::Csv).unwrap()).unwrap()
    }

    #[test]
    fn columns_are_those_of_the_selection_merged_and_in_its_order() {
        let form = form("{ rows { b inner { x: a } ...F inner { ...F tags { a } } names } } fragment F on Row { b a }");
        let form = form.unwrap();
        assert_eq!(form.columns.names(), ["b", "inner.x", "inner.b", "inner.a", "inner.tags", "a", "names"]);
        assert!(!form.is_paged);
        assert_eq!(table(&form, &json!([])), "b,inner.x,inner.b,inner.a,inner.tags,a,names\r\n");
    }

    #[test]
    fn null_is_empty_and_a_list_is_its_json() {
        let form = form("{ rows { a inner { b inner { a } } tags { a } } }").unwrap();
        let rows = json!([
            { "a": "=1+1", "inner": { "b": -0.5, "inner": null }, "tags": [{ "a": "x, \"y\"" }] },
            { "a": null, "inner": null, "tags": [] },
            { "a": "a \"b\",\r\nc", "inner": { "b": true, "inner": { "a": "" } }, "tags": null },
        ]);
        let expected = [
            "a,inner.b,inner.inner.a,tags",
            "=1+1,-0.5,,\"[{\"\"a\"\":\"\"x, \\\"\"y\\\"\"\"\"}]\"",
            ",,,[]",
            "\"a \"\"b\"\",\r\nc\",true,,",
            "",
        ];
        assert_eq!(table(&form, &rows), expected.join("\r\n"));
    }

    #[test]
    fn a_connection_has_pages() {
        let info = "page_info: pageInfo { has_next_page: hasNextPage end_cursor: endCursor }";
        let form_of = |members: &str| form(&format!("{{ page {{ {members} }} }}"));
        let found = form_of(&format!("nodes {{ a }} {info}")).unwrap();
        assert!(found.is_paged && found.list == "nodes" && found.columns.names() == ["a"]);
        for (members, missing) in [
            (info, "nodes"),
            ("nodes { a }", "page_info"),
            ("nodes { a } page_info: pageInfo { has_next_page: hasNextPage }", "end_cursor"),
            ("nodes { a } page_info: pageInfo { has_next_page: endCursor end_cursor: endCursor }", "hasNextPage"),
            ("nodes { a } other { a }", "one list"),
        ] {
            assert!(form_of(members).unwrap_err().contains(missing), "{members}");
        }
    }

    #[test]
    fn rows_are_found_through_objects_of_which_nothing_else_is_selected() {
        let found = form("{ row { tags { a } } }").unwrap();
        assert!(found.path == ["row"] && found.may_lack && !found.is_paged && found.list == "tags");
        let info = "page_info: pageInfo { has_next_page: hasNextPage end_cursor: endCursor }";
        let found = form(&format!("{{ of {{ page {{ nodes {{ a }} {info} }} }} }}")).unwrap();
        assert!(found.path == ["of", "page"] && !found.may_lack && found.is_paged && found.list == "nodes");
        assert!(form("{ row { inner { tags { a } } a } }").is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(texts in prop::collection::vec(any::<String>(), 1..8)) {
            let form = form("{ rows { a inner { a } } }").unwrap();
            let rows: Vec<_> = texts.iter().map(|text| json!({ "a": text, "inner": { "a": text } })).collect();
            let written = table(&form, &rows.clone().into());
            let mut reader = csv::Reader::from_reader(written.as_bytes());
            let read: Vec<(String, String)> = reader.deserialize().map(Result::unwrap).collect();
            prop_assert_eq!(read, texts.iter().map(|text| (text.clone(), text.clone())).collect::<Vec<_>>());
            let members = Value::from_json(json!({ "rows": rows })).unwrap();
            let lines = form.write(&members, Format::Ndjson).unwrap();
            let lines = String::from_utf8(lines).unwrap();
            let read: Vec<serde_json::Value> = lines.split_terminator('\n').map(|line| serde_json::from_str(line).unwrap()).collect();
            prop_assert_eq!(read, rows);
        }
    }
}
