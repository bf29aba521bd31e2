//! The REST façade: documents of operations, each an entry point, and the small machine that serves such a document.

mod docs;
mod document;
mod input;
mod openapi;
mod paths;
mod reply;
mod template;

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::Arc,
};

use apollo_compiler::{Schema, validation::Valid};
use async_graphql::Value;
use axum::{
    Extension, Router,
    body::Bytes,
    extract::{
        RawPathParams, RawQuery, State,
        rejection::{BytesRejection, RawPathParamsRejection},
    },
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};

use self::{
    document::{Document, EntryPoint},
    input::Given,
    reply::{Asked, Outcome},
    template::Template,
};
pub use self::{openapi::OpenApi, paths::Paths};
pub use crate::graphql::DocumentError;
use crate::{
    access::Caller,
    error::{Code, Error},
    graphql::{
        Document as Runnable, Graph, Operation, check_values, has_long_numbers, read_exactly, without_mark,
        write_answer,
    },
    http::media_type::MediaType,
};

/// Where the documentation is, and where the doubled prefix goes on.
const RESERVED: &[&str] = &["docs", "swagger.json", "openapi-3.0.json", "api"];

/// A document of operations that can be served.
pub struct Facade {
    /// Where it is served, such as `/api/v1`.
    prefix: String,
    /// The title of its description.
    title: String,
    /// Whether everybody may know what it serves.
    is_public: bool,
    document: Document,
    schema: Arc<Valid<Schema>>,
}

/// Checks REST v1 and, below `directory`, an operator's own documents: `team.graphql` is served under `/api/team`.
///
/// # Errors
/// The first document that does not fit the schema, with file, line and reason.
pub fn load(sdl: &str, directory: Option<&Path>) -> Result<Vec<Facade>, DocumentError> {
    let schema = Arc::new(document::schema(sdl)?);
    let mut facades = vec![facade(&schema, "v1", "v1.graphql", include_str!("v1.graphql"))?];
    for (file, name) in directory.map(own_documents).transpose()?.unwrap_or_default() {
        let unreadable = |error: std::io::Error| DocumentError::of_file(&file, error.to_string());
        let text = std::fs::read_to_string(&file).map_err(unreadable)?;
        facades.push(facade(&schema, &name, &file, &text)?);
    }
    Ok(facades)
}

/// The documents of a directory and the names they are served under, in order.
fn own_documents(directory: &Path) -> Result<Vec<(String, String)>, DocumentError> {
    let unreadable =
        |error: std::io::Error| DocumentError::of_file(&directory.display().to_string(), error.to_string());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_none_or(|extension| extension != "graphql") {
            continue;
        }
        let file = path.display().to_string();
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let is_word = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        if !is_word || name == "v1" {
            let reason = "the file's name becomes part of the path: letters, digits, - and _, and not v1";
            return Err(DocumentError::of_file(&file, reason));
        }
        found.push((file, name));
    }
    found.sort();
    Ok(found)
}

fn facade(schema: &Arc<Valid<Schema>>, name: &str, file: &str, text: &str) -> Result<Facade, DocumentError> {
    let document = document::read(schema, file, text)?;
    let mut taken = HashSet::new();
    for point in &document.entry_points {
        let refused = |reason: String| {
            let (line, column) = point.place;
            DocumentError { file: file.to_owned(), line, column, reason: format!("{}: {reason}", point.name) }
        };
        // A root is shared with GraphQL, the pages and other documents; only old clients of REST v1 need theirs.
        if point.at_root && name != "v1" {
            return Err(refused("root: only REST v1 is served at the root".to_owned()));
        }
        for template in &point.paths {
            if template.first_word().is_some_and(|word| RESERVED.contains(&word)) {
                let own = RESERVED.join(", ");
                return Err(refused(format!(
                    "the path {}: paths that begin with one of {own} are taken",
                    template.documented()
                )));
            }
            if !taken.insert((point.is_post, template.route())) {
                return Err(refused(format!("the path {} is served already", template.documented())));
            }
        }
    }
    let title = format!("Metrograph REST {name}");
    // What the program itself brings is no secret.
    let is_public = name == "v1";
    Ok(Facade { prefix: format!("/api/{name}"), title, is_public, document, schema: Arc::clone(schema) })
}

/// The OpenAPI description of REST v1.
///
/// # Errors
/// Those of [`load`].
pub fn openapi(sdl: &str, version: OpenApi) -> Result<serde_json::Value, DocumentError> {
    let facades = load(sdl, None)?;
    Ok(openapi::describe(&facades[0], version))
}

/// Serves documents.
pub fn router(facades: Vec<Facade>, graph: &Graph) -> Router {
    let mut router = Router::new();
    for facade in facades {
        let described = [("swagger.json", OpenApi::V3_1), ("openapi-3.0.json", OpenApi::V3_0)];
        let described = described.map(|(name, version)| (name, openapi::describe(&facade, version)));
        router = docs::add(router, &facade.prefix, described, facade.is_public);
        let Facade { prefix, document, schema, .. } = facade;
        let Document { entry_points, runnable, .. } = document;
        for point in entry_points {
            let point = Arc::new(point);
            for template in point.paths.clone() {
                let served = Served {
                    graph: graph.clone(),
                    schema: Arc::clone(&schema),
                    document: runnable.clone(),
                    point: Arc::clone(&point),
                    prefix: prefix.as_str().into(),
                    template,
                };
                router = served.add_to(router);
            }
        }
    }
    router
}

/// An entry point at one of its paths.
struct Served {
    graph: Graph,
    schema: Arc<Valid<Schema>>,
    /// The document that has the operation of `point`.
    document: Runnable,
    point: Arc<EntryPoint>,
    prefix: Arc<str>,
    template: Template,
}

impl Served {
    fn add_to(self, mut router: Router) -> Router {
        let route = self.template.route();
        // Old clients append links, which begin with the prefix, to a base that ends in it.
        let mut mounts = vec![self.prefix.to_string(), format!("{0}{0}", self.prefix)];
        if self.point.at_root {
            mounts.push(String::new());
        }
        let method: MethodRouter =
            if self.point.is_post { post(answer) } else { get(answer) }.with_state(Arc::new(self));
        for mount in mounts {
            let path = format!("{mount}{route}");
            router = router.route(&path, method.clone()).route(&format!("{path}/"), method.clone());
        }
        router
    }

    async fn run(
        &self,
        path: &HashMap<String, String>,
        query: &[(String, String)],
        body: Option<Value>,
        caller: Caller,
    ) -> Result<Outcome, Error> {
        let point = &*self.point;
        let variables = input::variables(&self.schema, point, &Given { path, query, body: body.as_ref() })?;
        let page = match variables.get("page") {
            Some(Value::Number(number)) => number.as_i64().unwrap_or(1),
            _ => 1,
        };
        let asked = Asked {
            path: format!("{}{}", self.prefix, self.template.link(path)),
            query,
            page,
            echo: point.echo.iter().map(|name| (name.as_str(), path.get(name).map_or("", String::as_str))).collect(),
        };
        let (document, omitted) = (self.document.clone(), Arc::clone(&point.omitted));
        let operation = Operation { document, name: Some(point.name.clone()), variables, omitted, caller };
        reply::outcome(point, &asked, self.graph.execute(operation).await)
    }
}

async fn answer(
    State(served): State<Arc<Served>>,
    Extension(caller): Extension<Caller>,
    arguments: Result<RawPathParams, RawPathParamsRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Error> {
    // Before what was sent is looked at: whoever may not ask is not told what is wrong with it.
    served.graph.admit(&caller, &served.document, Some(&served.point.name))?;
    let arguments = arguments.map_err(|_| Error::bad_input("the path is not UTF-8"))?;
    let values = arguments.iter().map(|(_, value)| value.to_owned());
    let path: HashMap<String, String> = served.template.arguments().map(str::to_owned).zip(values).collect();
    let query: Vec<(String, String)> =
        form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect();
    let body = read_body(&headers, body, served.point.is_post)?;
    Ok(match served.run(&path, &query, body, caller).await? {
        Outcome::Found(body) => written(StatusCode::OK, &body),
        Outcome::Created(body) => written(StatusCode::CREATED, &body),
        Outcome::Empty => StatusCode::NO_CONTENT.into_response(),
    })
}

fn written(status: StatusCode, body: &Value) -> Response {
    let mut json = Vec::new();
    write_answer(body, &mut json);
    (status, [(header::CONTENT_TYPE, "application/json")], json).into_response()
}

/// JSON with long whole numbers.
fn read_long(json: &[u8]) -> serde_json::Result<Value> {
    // Whether it is JSON at all, and what is wrong where it isn't, is told of the whole.
    let value = serde_json::from_slice(json)?;
    Ok(str::from_utf8(json).map_or(value, |json| read_exactly(json).unwrap_or_default()))
}

/// The JSON body. A GET may have one, which counts when it says that it is JSON.
fn read_body(headers: &HeaderMap, body: Result<Bytes, BytesRejection>, is_post: bool) -> Result<Option<Value>, Error> {
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Error::new(Code::TooLarge, "the body is over the limit (--max-body): send it in parts")
        }
        _ => Error::bad_input("the body could not be read"),
    })?;
    let media_type = MediaType::of_body(headers);
    let is_json = media_type.is_json() || media_type.has_json_suffix();
    match (is_json, is_post) {
        (false, true) => Err(Error::new(Code::UnsupportedMediaType, "Content-Type: send the body as application/json")),
        (false, false) => Ok(None),
        (true, false) if body.is_empty() => Ok(None),
        (true, _) => {
            check_values(&body)?;
            let json = without_mark(&body);
            let read = if has_long_numbers(json) { read_long(json) } else { serde_json::from_slice(json) };
            let value = read.map_err(|error| Error::bad_input(format!("body: {error}")))?;
            match value {
                Value::Object(_) => Ok(Some(value)),
                _ => Err(Error::bad_input("body: a JSON object is expected")),
            }
        }
    }
}
