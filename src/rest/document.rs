//! Reads documents of operations, checks them against the schema, and gives the entry points they describe.

use std::{collections::HashSet, fmt, sync::Arc};

use apollo_compiler::{
    ExecutableDocument, Node, Schema,
    ast::{OperationType, Type, Value},
    executable::{Field, Operation, Selection, SelectionSet},
    parser::SourceSpan,
    validation::Valid,
};

use super::template::Template;
use crate::graphql::{Document as Runnable, DocumentError, read_document, read_schema};

/// The form of an answer; `rest.graphql` says what each is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    Page,
    Listing,
    All,
    Object,
    Created,
}

/// An argument of an entry point.
#[derive(Debug, Clone)]
pub(super) struct Variable {
    pub name: String,
    pub ty: Type,
    /// What it is when a request does not give it, as requests write it.
    pub default: Option<serde_json::Value>,
}

impl Variable {
    /// A request must give it.
    pub fn is_required(&self) -> bool {
        self.ty.is_non_null() && self.default.is_none()
    }
}

/// An operation and the paths it answers.
pub(super) struct EntryPoint {
    pub name: String,
    /// The line and the column of its `@rest`.
    pub place: (usize, usize),
    pub summary: String,
    pub is_post: bool,
    pub paths: Vec<Template>,
    pub reply: Reply,
    pub echo: Vec<String>,
    /// `(other name, argument)`.
    pub aliases: Vec<(String, String)>,
    pub at_root: bool,
    pub variables: Vec<Variable>,
    /// Paths of answer fields that are left out when null; lists are walked through.
    pub omitted: Arc<[Vec<String>]>,
    /// `(path, variable)` of every argument of the graph that a variable fills, as errors name it.
    pub filled: Vec<(String, String)>,
}

/// A checked document.
pub(super) struct Document {
    pub entry_points: Vec<EntryPoint>,
    pub checked: Valid<ExecutableDocument>,
    /// What the graph runs: each operation by its name.
    pub runnable: Runnable,
}

/// The graph's schema with the directives of the façade.
///
/// # Errors
/// The schema's own defects.
pub(super) fn schema(sdl: &str) -> Result<Valid<Schema>, DocumentError> {
    read_schema(format!("{sdl}\n{}", include_str!("rest.graphql")))
}

/// Reads a document called `file`.
///
/// # Errors
/// The first thing that does not fit the schema, or makes no sense.
pub(super) fn read(schema: &Arc<Valid<Schema>>, file: &str, text: &str) -> Result<Document, DocumentError> {
    let checked = read_document(schema, file, text)?;
    let reader = Reader { file, checked: &checked };
    if let Some(anonymous) = &checked.operations.anonymous {
        return Err(reader.error(anonymous.location(), "every operation needs a name"));
    }
    let entry_points =
        checked.operations.named.values().map(|operation| reader.entry_point(operation)).collect::<Result<_, _>>()?;
    let runnable = Runnable::own(Arc::clone(schema), checked.clone());
    Ok(Document { entry_points, checked, runnable })
}

struct Reader<'a> {
    file: &'a str,
    checked: &'a Valid<ExecutableDocument>,
}

impl Reader<'_> {
    fn place(&self, span: Option<SourceSpan>) -> (usize, usize) {
        let start = span.and_then(|span| span.line_column_range(&self.checked.sources)).map(|range| range.start);
        start.map_or((1, 1), |start| (start.line, start.column))
    }

    fn error(&self, place: Option<SourceSpan>, reason: impl fmt::Display) -> DocumentError {
        let (line, column) = self.place(place);
        DocumentError { file: self.file.to_owned(), line, column, reason: reason.to_string() }
    }

    fn entry_point(&self, operation: &Node<Operation>) -> Result<EntryPoint, DocumentError> {
        let name = operation.name.as_ref().map(ToString::to_string).unwrap_or_default();
        let Some(rest) = operation.directives.get("rest") else {
            return Err(
                self.error(operation.location(), format!("the operation {name} has no @rest: it would not be served"))
            );
        };
        let at = rest.location();
        let argument = |name| rest.specified_argument_by_name(name).map(|value| &**value);
        let is_post = operation.operation_type == OperationType::Mutation;
        let (ours, other) = if is_post { ("post", "get") } else { ("get", "post") };
        if argument(other).is_some() {
            return Err(self.error(at, format!("{other}: a {} is served by {ours}", operation.operation_type)));
        }
        let paths = argument(ours).map(texts).unwrap_or_default();
        if paths.is_empty() {
            return Err(self.error(at, format!("{ours}: give at least one path")));
        }
        let paths: Vec<Template> = paths
            .iter()
            .map(|path| Template::parse(path).map_err(|reason| self.error(at, reason)))
            .collect::<Result<_, _>>()?;
        let variables: Vec<Variable> = operation
            .variables
            .iter()
            .map(|variable| Variable {
                name: variable.name.to_string(),
                ty: variable.ty.as_ref().clone(),
                default: variable.default_value.as_ref().map(|value| as_json(value)),
            })
            .collect();
        let point = EntryPoint {
            place: self.place(at),
            summary: argument("summary").and_then(Value::as_str).unwrap_or_default().to_owned(),
            is_post,
            reply: reply(argument("reply")),
            echo: argument("echo").map(texts).unwrap_or_default(),
            aliases: argument("aliases").map(aliases).unwrap_or_default(),
            at_root: argument("root").is_some_and(|value| *value == Value::Boolean(true)),
            omitted: self.omitted(operation).into(),
            filled: filled(operation),
            name,
            paths,
            variables,
        };
        self.check(&point, operation).map_err(|reason| self.error(at, reason))?;
        Ok(point)
    }

    /// What validity against the schema does not cover.
    fn check(&self, point: &EntryPoint, operation: &Operation) -> Result<(), String> {
        let known = |name: &str| point.variables.iter().any(|variable| variable.name == name);
        for template in &point.paths {
            let mut given = HashSet::new();
            if let Some(name) = template.arguments().find(|name| !given.insert(*name)) {
                return Err(format!("the path {} has the argument {name} twice", template.documented()));
            }
            if let Some(name) = given.iter().find(|name| !known(name)) {
                return Err(format!(
                    "the path {} has an argument {name} that is no variable of the operation",
                    template.documented()
                ));
            }
            if let Some(name) = point.echo.iter().find(|name| !given.contains(name.as_str())) {
                return Err(format!("echo: {name} is no argument of the path {}", template.documented()));
            }
        }
        if let Some((_, of)) = point.aliases.iter().find(|(_, of)| !known(of)) {
            return Err(format!("aliases: {of} is no variable of the operation"));
        }
        self.check_form(point, operation)
    }

    /// Every answer must have what its form is made of, or requests would find that out.
    fn check_form(&self, point: &EntryPoint, operation: &Operation) -> Result<(), String> {
        let roots: Vec<_> = operation.root_fields(self.checked).collect();
        // Fields of one response name are one field.
        let names: HashSet<_> = roots.iter().map(|root| root.response_name()).collect();
        let root = match (point.reply, roots.as_slice()) {
            (Reply::Object, _) => return Ok(()),
            (_, [root, ..]) if names.len() == 1 => root,
            _ => return Err(format!("reply: this form takes one root field, not {}", names.len())),
        };
        let sets = roots.iter().filter_map(|root| root.selection_set.as_ref());
        let members: Vec<_> = sets.flat_map(|set| set.root_fields(self.checked)).collect();
        let has_list = !root.ty().is_list() && members.iter().any(|field| field.ty().is_list());
        let has = |name: &str| members.iter().any(|field| field.response_name() == name);
        let makes_object = members.iter().any(|field| field.response_name() != "userErrors" && is_object(field));
        let (fits, wanted) = match point.reply {
            Reply::Page => (has_list && has("total_page"), "an object with a list and total_page"),
            Reply::Listing => (has_list || root.ty().is_list(), "a list, or an object with one"),
            Reply::All => (root.ty().is_list(), "a list"),
            Reply::Created => (point.is_post && makes_object, "a mutation's payload with the object that was made"),
            Reply::Object => (true, ""),
        };
        if fits { Ok(()) } else { Err(format!("reply: the root field {} is not {wanted}", root.response_name())) }
    }

    /// Where the answer has fields marked `@omitNull`.
    fn omitted(&self, operation: &Operation) -> Vec<Vec<String>> {
        let mut found = Vec::new();
        self.collect_omitted(&operation.selection_set, &mut Vec::new(), &mut found);
        found
    }

    fn collect_omitted(&self, set: &SelectionSet, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
        for selection in &set.selections {
            match selection {
                Selection::Field(field) => {
                    path.push(field.response_name().to_string());
                    if field.directives.has("omitNull") {
                        found.push(path.clone());
                    }
                    if let Some(inner) = &field.selection_set {
                        self.collect_omitted(inner, path, found);
                    }
                    path.pop();
                }
                Selection::FragmentSpread(spread) => {
                    if let Some(fragment) = self.checked.fragments.get(&spread.fragment_name) {
                        self.collect_omitted(&fragment.selection_set, path, found);
                    }
                }
                Selection::InlineFragment(inline) => self.collect_omitted(&inline.selection_set, path, found),
            }
        }
    }
}

fn is_object(field: &Field) -> bool {
    !field.ty().is_list() && field.selection_set.is_some()
}

/// Which variable fills which argument of the root fields.
fn filled(operation: &Operation) -> Vec<(String, String)> {
    fn within(path: &str, value: &Value, found: &mut Vec<(String, String)>) {
        match value {
            Value::Variable(name) => found.push((path.to_owned(), name.to_string())),
            Value::Object(members) => {
                for (name, value) in members {
                    within(&format!("{path}.{name}"), value, found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    for selection in &operation.selection_set.selections {
        for argument in selection.as_field().map(|field| field.arguments.as_slice()).unwrap_or_default() {
            within(&argument.name, &argument.value, &mut found);
        }
    }
    found
}

/// A constant as requests write it: enum values in lower case.
fn as_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Enum(name) => name.to_ascii_lowercase().into(),
        Value::String(text) => text.as_str().into(),
        Value::Boolean(truth) => (*truth).into(),
        Value::Int(number) => number.try_to_i32().map_or_else(|_| number.as_str().into(), Into::into),
        Value::Float(number) => number.try_to_f64().map_or_else(|_| number.as_str().into(), Into::into),
        Value::List(items) => items.iter().map(|item| as_json(item)).collect(),
        Value::Object(members) => members.iter().map(|(name, value)| (name.to_string(), as_json(value))).collect(),
        Value::Null | Value::Variable(_) => serde_json::Value::Null,
    }
}

fn texts(value: &Value) -> Vec<String> {
    // A single text stands for a list of one.
    match value {
        Value::List(values) => values.iter().filter_map(|value| value.as_str()).map(str::to_owned).collect(),
        single => single.as_str().map(str::to_owned).into_iter().collect(),
    }
}

fn aliases(value: &Value) -> Vec<(String, String)> {
    let alias = |value: &Value| {
        let member = |wanted: &str| {
            let members = value.as_object()?;
            members.iter().find(|(name, _)| name == wanted).and_then(|(_, value)| value.as_str()).map(str::to_owned)
        };
        Some((member("name")?, member("of")?))
    };
    match value {
        Value::List(values) => values.iter().filter_map(|value| alias(value)).collect(),
        single => alias(single).into_iter().collect(),
    }
}

fn reply(value: Option<&Value>) -> Reply {
    match value.and_then(Value::as_enum).map(apollo_compiler::Name::as_str) {
        Some("PAGE") => Reply::Page,
        Some("LISTING") => Reply::Listing,
        Some("ALL") => Reply::All,
        Some("CREATED") => Reply::Created,
        _ => Reply::Object,
    }
}
