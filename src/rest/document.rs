//! Reads documents of operations, checks them against the schema, and gives the endpoints they describe.

use std::{collections::HashSet, fmt, sync::Arc};

use apollo_compiler::{
    ExecutableDocument, Node, Schema,
    ast::{OperationType, Type, Value},
    executable::{Field, Operation, Selection, SelectionSet},
    parser::SourceSpan,
    validation::Valid,
};

use crate::{
    graphql::{Document as Runnable, DocumentError, read_document, read_schema},
    rest::{
        rows::{self, RowsForm},
        template::Template,
    },
};

/// The form of a response; `rest.graphql` describes each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    Page,
    Listing,
    All,
    Object,
    Created,
    Rows,
    One,
}

/// An argument of an endpoint.
#[derive(Debug, Clone)]
pub(super) struct Variable {
    pub name: String,
    pub ty: Type,
    /// Its default value, as it is written in requests.
    pub default: Option<serde_json::Value>,
}

impl Variable {
    /// Returns whether every request must give it.
    pub fn is_required(&self) -> bool {
        self.ty.is_non_null() && self.default.is_none()
    }
}

/// An operation and its paths.
pub(super) struct Endpoint {
    pub name: String,
    /// Line and column of its `@rest` directive.
    pub place: (usize, usize),
    pub summary: String,
    pub is_post: bool,
    pub paths: Vec<Template>,
    pub reply: Reply,
    pub echo: Vec<String>,
    /// `(other name, argument)`.
    pub aliases: Vec<(String, String)>,
    pub at_root: bool,
    /// The variable that the project in the address fills, which is none of `variables`.
    pub project: Option<String>,
    pub variables: Vec<Variable>,
    /// Paths of response fields that are omitted when null. Paths continue through lists.
    pub omitted: Arc<[Vec<String>]>,
    /// `(path, variable)` of each GraphQL argument that a variable fills. Error messages name the path.
    pub filled: Vec<(String, String)>,
    /// The place of the rows, if it answers with rows.
    pub rows: Option<RowsForm>,
}

/// A valid document and its endpoints.
pub(super) struct Document {
    pub endpoints: Vec<Endpoint>,
    pub executable: Valid<ExecutableDocument>,
    /// The document as the graph runs it. Operations are chosen by name.
    pub runnable: Runnable,
}

/// Parses the GraphQL schema, extended by the REST directives.
///
/// # Errors
/// The schema is invalid.
pub(super) fn schema(sdl: &str) -> Result<Valid<Schema>, DocumentError> {
    read_schema(format!("{sdl}\n{}", include_str!("rest.graphql")))
}

/// Parses and checks a document; `file` is its name in errors.
///
/// # Errors
/// The first violation of the schema or of the rules for endpoints.
pub(super) fn read(schema: &Arc<Valid<Schema>>, file: &str, text: &str) -> Result<Document, DocumentError> {
    let executable = read_document(schema, file, text)?;
    let checker = Checker { schema, file, executable: &executable };
    if let Some(anonymous) = &executable.operations.anonymous {
        return Err(checker.error(anonymous.location(), "every operation needs a name"));
    }
    let endpoints =
        executable.operations.named.values().map(|operation| checker.endpoint(operation)).collect::<Result<_, _>>()?;
    let runnable = Runnable::own(Arc::clone(schema), executable.clone());
    Ok(Document { endpoints, executable, runnable })
}

struct Checker<'a> {
    schema: &'a Schema,
    file: &'a str,
    executable: &'a Valid<ExecutableDocument>,
}

impl Checker<'_> {
    fn place(&self, span: Option<SourceSpan>) -> (usize, usize) {
        let start = span.and_then(|span| span.line_column_range(&self.executable.sources)).map(|range| range.start);
        start.map_or((1, 1), |start| (start.line, start.column))
    }

    fn error(&self, place: Option<SourceSpan>, reason: impl fmt::Display) -> DocumentError {
        let (line, column) = self.place(place);
        DocumentError { file: self.file.to_owned(), line, column, reason: reason.to_string() }
    }

    fn endpoint(&self, operation: &Node<Operation>) -> Result<Endpoint, DocumentError> {
        let name = operation.name.as_ref().map(ToString::to_string).unwrap_or_default();
        let Some(rest) = operation.directives.get("rest") else {
            return Err(self
                .error(operation.location(), format!("the operation {name} has no @rest: it would never be called")));
        };
        let at = rest.location();
        let argument = |name| rest.specified_argument_by_name(name).map(|value| &**value);
        let is_post = operation.operation_type == OperationType::Mutation;
        let (ours, other) = if is_post { ("post", "get") } else { ("get", "post") };
        if argument(other).is_some() {
            return Err(self.error(at, format!("{other}: a {} needs {ours}", operation.operation_type)));
        }
        let paths = argument(ours).map(texts).unwrap_or_default();
        if paths.is_empty() {
            return Err(self.error(at, format!("{ours}: give at least one path")));
        }
        let paths: Vec<Template> = paths
            .iter()
            .map(|path| Template::parse(path).map_err(|reason| self.error(at, reason)))
            .collect::<Result<_, _>>()?;
        let project = argument("project").and_then(Value::as_str).map(str::to_owned);
        let mut variables: Vec<Variable> = operation
            .variables
            .iter()
            .map(|variable| Variable {
                name: variable.name.to_string(),
                ty: variable.ty.as_ref().clone(),
                default: variable.default_value.as_ref().map(|value| as_json(value)),
            })
            .collect();
        if let Some(name) = &project {
            let is_project = |variable: &Variable| variable.name == *name && variable.ty.to_string() == "String";
            let Some(place) = variables.iter().position(is_project) else {
                return Err(
                    self.error(at, format!("project: {name} is no variable of the type String, which may be null"))
                );
            };
            variables.remove(place);
        }
        let mut endpoint = Endpoint {
            place: self.place(at),
            summary: argument("summary").and_then(Value::as_str).unwrap_or_default().to_owned(),
            is_post,
            reply: reply(argument("reply")),
            echo: argument("echo").map(texts).unwrap_or_default(),
            aliases: argument("aliases").map(aliases).unwrap_or_default(),
            at_root: argument("root").is_some_and(|value| *value == Value::Boolean(true)),
            project,
            omitted: self.omitted(operation).into(),
            filled: filled(&operation.selection_set),
            rows: None,
            name,
            paths,
            variables,
        };
        self.check(&endpoint, operation).map_err(|reason| self.error(at, reason))?;
        if endpoint.reply == Reply::Rows {
            endpoint.rows = Some(self.rows(&endpoint, operation).map_err(|reason| self.error(at, reason))?);
        }
        Ok(endpoint)
    }

    /// Checks the rules that GraphQL validation does not cover.
    fn check(&self, endpoint: &Endpoint, operation: &Operation) -> Result<(), String> {
        let is_variable = |name: &str| endpoint.variables.iter().any(|variable| variable.name == name);
        for template in &endpoint.paths {
            let mut given = HashSet::new();
            if let Some(name) = template.arguments().find(|name| !given.insert(*name)) {
                return Err(format!("the path {} has the argument {name} twice", template.documented()));
            }
            if let Some(name) = given.iter().find(|name| !is_variable(name)) {
                return Err(format!(
                    "the path {} has an argument {name} that is no variable of the operation",
                    template.documented()
                ));
            }
            if let Some(name) = endpoint.echo.iter().find(|name| !given.contains(name.as_str())) {
                return Err(format!("echo: {name} is no argument of the path {}", template.documented()));
            }
        }
        if let Some((_, of)) = endpoint.aliases.iter().find(|(_, of)| !is_variable(of)) {
            return Err(format!("aliases: {of} is no variable of the operation"));
        }
        self.check_form(endpoint, operation)
    }

    /// Checks that the operation selects what its reply form needs, so that this fails at startup and not in requests.
    fn check_form(&self, endpoint: &Endpoint, operation: &Operation) -> Result<(), String> {
        let roots: Vec<_> = operation.root_fields(self.executable).collect();
        // Fields with the same response name are merged.
        let names: HashSet<_> = roots.iter().map(|root| root.response_name()).collect();
        let root = match (endpoint.reply, roots.as_slice()) {
            (Reply::Object, _) => return Ok(()),
            (_, [root, ..]) if names.len() == 1 => root,
            _ => return Err(format!("reply: this form takes one root field, not {}", names.len())),
        };
        let sets = roots.iter().filter_map(|root| root.selection_set.as_ref());
        let members: Vec<_> = sets.flat_map(|set| set.root_fields(self.executable)).collect();
        let has_list = !root.ty().is_list() && members.iter().any(|field| field.ty().is_list());
        let has = |name: &str| members.iter().any(|field| field.response_name() == name);
        let makes_object = members.iter().any(|field| field.response_name() != "userErrors" && is_object(field));
        let (fits, wanted) = match endpoint.reply {
            Reply::Page => (has_list && has("total_page"), "an object with a list and total_page"),
            Reply::Listing => (has_list || root.ty().is_list(), "a list, or an object with one"),
            Reply::All => (root.ty().is_list(), "a list"),
            Reply::Created => (endpoint.is_post && makes_object, "a mutation's payload with the object that was made"),
            Reply::One => (is_object(root), "an object"),
            // Checked when the rows are looked for.
            Reply::Object | Reply::Rows => (true, ""),
        };
        if fits { Ok(()) } else { Err(format!("reply: the root field {} is not {wanted}", root.response_name())) }
    }

    /// Finds the rows of an answer.
    fn rows(&self, endpoint: &Endpoint, operation: &Operation) -> Result<RowsForm, String> {
        let roots: Vec<&Field> = operation.root_fields(self.executable).map(|root| &**root).collect();
        let form = RowsForm::of(self.schema, self.executable, &roots)
            .map_err(|wanted| format!("reply: the root field {} is not {wanted}", roots[0].response_name()))?;
        if form.is_paged && !endpoint.variables.iter().any(|variable| variable.name == rows::AFTER) {
            return Err(format!("reply: a connection needs the variable {}, for the next page", rows::AFTER));
        }
        Ok(form)
    }

    /// Returns the paths of fields marked `@omitNull`.
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
                    if let Some(fragment) = self.executable.fragments.get(&spread.fragment_name) {
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

/// Returns `(path, variable)` for each argument of a field that a variable fills. Fragments have none.
fn filled(set: &SelectionSet) -> Vec<(String, String)> {
    fn within(path: &str, value: &Value, found: &mut Vec<(String, String)>) {
        match value {
            Value::Variable(name) => found.push((path.to_owned(), name.to_string())),
            Value::List(items) => items.iter().for_each(|item| within(path, item, found)),
            Value::Object(members) => {
                for (name, value) in members {
                    within(&format!("{path}.{name}"), value, found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    for field in set.selections.iter().filter_map(Selection::as_field) {
        for argument in &field.arguments {
            within(&argument.name, &argument.value, &mut found);
        }
        found.extend(field.selection_set.iter().flat_map(filled));
    }
    found
}

/// Converts a constant to JSON as written in requests: enum values in lower case.
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
    // GraphQL coerces a single value to a list.
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
        Some("ROWS") => Reply::Rows,
        Some("ONE") => Reply::One,
        _ => Reply::Object,
    }
}
