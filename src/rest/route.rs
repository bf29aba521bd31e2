//! An endpoint: from the HTTP request to the variables of its operation, and back to an HTTP response.

use std::{collections::HashMap, sync::Arc};

use apollo_compiler::{Schema, validation::Valid};
use async_graphql::Value;
use axum::{
    Extension, Router,
    body::Bytes,
    extract::{
        RawPathParams, RawQuery, State,
        rejection::{BytesRejection, RawPathParamsRejection},
    },
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};

use crate::{
    access::Caller,
    error::{Code, Error},
    graphql::{
        Document as Runnable, Graph, Operation, check_values, has_long_numbers, read_exactly, without_bom, write_json,
    },
    http::{facts::RequestFacts, media_type::MediaType},
    rest::{
        document::Endpoint,
        format::Format,
        input::{self, RequestInput},
        paths::ProjectName,
        reply::{self, Outcome, RequestInfo},
        template::{self, Template},
    },
};

/// An endpoint at one of its paths: an axum handler with its state.
pub(super) struct Route {
    pub graph: Graph,
    pub schema: Arc<Valid<Schema>>,
    /// The document with the operation of `endpoint`.
    pub document: Runnable,
    pub endpoint: Arc<Endpoint>,
    pub prefix: Arc<str>,
    pub template: Template,
    /// See [`crate::rest::facades::Manners`].
    pub is_strict: bool,
}

impl Route {
    /// Adds its routes: with and without a trailing slash, and with the prefix once and doubled.
    pub fn add_to(self, mut router: Router) -> Router {
        let route = self.template.route();
        // Old clients append links, which start with the prefix, to a base URL that ends with it.
        let mut mounts = vec![self.prefix.to_string(), format!("{0}{0}", self.prefix)];
        if self.endpoint.at_root {
            mounts.push(String::new());
        }
        let method: MethodRouter =
            if self.endpoint.is_post { post(handle) } else { get(handle) }.with_state(Arc::new(self));
        for mount in mounts {
            let path = format!("{mount}{route}");
            router = router.route(&path, method.clone()).route(&format!("{path}/"), method.clone());
        }
        router
    }

    /// Returns the formats between which `Accept` chooses; `None` if it does not count.
    fn offered(&self) -> Option<&'static [Format]> {
        match (&self.endpoint.rows, self.is_strict) {
            (Some(_), _) => Some(Format::OF_ROWS),
            (None, true) => Some(Format::OF_OTHERS),
            (None, false) => None,
        }
    }

    async fn respond(
        &self,
        caller: Caller,
        project: Option<&str>,
        arguments: Result<RawPathParams, RawPathParamsRejection>,
        query: Option<String>,
        headers: &HeaderMap,
        body: Result<Bytes, BytesRejection>,
    ) -> Result<Response, Error> {
        // Authorization comes first, so that unauthorized callers learn nothing from validation errors.
        self.graph.admit(&caller, &self.document, Some(&self.endpoint.name))?;
        let offered = self.offered();
        let format = offered.map_or(Ok(Format::Json), |offered| Format::accepted(headers, offered))?;
        let arguments = arguments.map_err(|_| Error::bad_input("the path is not UTF-8"))?;
        let values = arguments.iter().map(|(_, value)| value.to_owned());
        let path: HashMap<String, String> = self.template.arguments().map(str::to_owned).zip(values).collect();
        let query: Vec<(String, String)> =
            form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect();
        let body = read_body(headers, body, self.endpoint.is_post)?;
        Ok(match self.run(&path, &query, body, project, caller).await? {
            Outcome::Found(body) => json_response(StatusCode::OK, &body),
            Outcome::Created(body) => json_response(StatusCode::CREATED, &body),
            Outcome::Rows { members, next } => self.rows_response(&members, next, format)?,
            Outcome::Empty => StatusCode::NO_CONTENT.into_response(),
        })
    }

    fn rows_response(&self, members: &Value, next: Option<String>, format: Format) -> Result<Response, Error> {
        let Some(form) = &self.endpoint.rows else { return Err(Error::defect()) };
        let body = form.write(members, format)?;
        let mut response = ([(header::CONTENT_TYPE, format.content_type())], body).into_response();
        let mut add = |name, value: String| {
            // Query strings are percent-encoded, and file names are words of paths.
            response.headers_mut().extend(HeaderValue::from_str(&value).ok().map(|value| (name, value)));
        };
        if let Some(next) = next {
            // Relative to the request: a proxy may add a path prefix.
            add(header::LINK, format!("<?{next}>; rel=\"next\""));
        }
        if let Some(extension) = format.extension() {
            let name = format!("{}.{extension}", self.template.file_stem());
            add(header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\""));
        }
        Ok(response)
    }

    async fn run(
        &self,
        path: &HashMap<String, String>,
        query: &[(String, String)],
        body: Option<Value>,
        project: Option<&str>,
        caller: Caller,
    ) -> Result<Outcome, Error> {
        let endpoint = &*self.endpoint;
        if let (Some(name), true) = (project, self.is_strict) {
            let message = format!(
                "/p/{}: this API has no address of a project: give the argument project",
                template::encoded(name)
            );
            return Err(Error::new(Code::NotFound, message));
        }
        let input = RequestInput { path, query, body: body.as_ref(), project };
        if self.is_strict {
            input::check_query(endpoint, &input)?;
        }
        let variables = input::variables(&self.schema, endpoint, &input)?;
        let page = match variables.get("page") {
            Some(Value::Number(number)) => number.as_i64().unwrap_or(1),
            _ => 1,
        };
        let within = project.map_or_else(String::new, |name| format!("/p/{}", template::encoded(name)));
        let info = RequestInfo {
            path: format!("{within}{}{}", self.prefix, self.template.link(path)),
            query,
            page,
            echo: endpoint.echo.iter().map(|name| argument(path, name)).collect(),
            arguments: self.template.arguments().map(|name| argument(path, name)).collect(),
        };
        let (document, omitted) = (self.document.clone(), Arc::clone(&endpoint.omitted));
        let operation = Operation { document, name: Some(endpoint.name.clone()), variables, omitted, caller };
        reply::outcome(endpoint, &info, self.graph.execute(operation).await)
    }
}

/// Returns a path argument with its name.
fn argument<'a>(path: &'a HashMap<String, String>, name: &'a str) -> (&'a str, &'a str) {
    (name, path.get(name).map_or("", String::as_str))
}

async fn handle(
    State(route): State<Arc<Route>>,
    Extension(caller): Extension<Caller>,
    (project, facts): (Option<Extension<ProjectName>>, Option<Extension<RequestFacts>>),
    arguments: Result<RawPathParams, RawPathParamsRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    if let Some(Extension(facts)) = facts {
        facts.note_operation(route.endpoint.name.clone().into(), None, false);
    }
    let project = project.as_ref().map(|Extension(ProjectName(name))| name.as_str());
    let response = route.respond(caller, project, arguments, query, &headers, body).await;
    let mut response = response.unwrap_or_else(IntoResponse::into_response);
    if route.offered().is_some() {
        // Errors, too: without it a cache would take one for the answer to every `Accept`.
        response.headers_mut().append(header::VARY, HeaderValue::from_static("accept, authorization"));
    }
    response
}

fn json_response(status: StatusCode, body: &Value) -> Response {
    let mut json = Vec::new();
    write_json(body, &mut json);
    (status, [(header::CONTENT_TYPE, "application/json")], json).into_response()
}

/// Reads JSON whose integers may exceed 64 bits.
fn read_long(json: &[u8]) -> serde_json::Result<Value> {
    // Parsed twice: serde_json gives the better error messages.
    let value = serde_json::from_slice(json)?;
    Ok(str::from_utf8(json).map_or(value, |json| read_exactly(json).unwrap_or_default()))
}

/// Reads the JSON body. The body of a GET is read only if its content type is JSON.
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
            let json = without_bom(&body);
            let read = if has_long_numbers(json) { read_long(json) } else { serde_json::from_slice(json) };
            let value = read.map_err(|error| Error::bad_input(format!("body: {error}")))?;
            match value {
                Value::Object(_) => Ok(Some(value)),
                _ => Err(Error::bad_input("body: a JSON object is expected")),
            }
        }
    }
}
