//! Turns GraphQL responses into the reply forms of REST.

use async_graphql::{Name, Response, Value, indexmap::IndexMap};
use serde_json::value::RawValue;

use crate::{
    error::{Code, Error},
    rest::{
        document::{Endpoint, Reply},
        rows::{self, RowsForm},
        template::{query_of_page, query_with},
    },
};

/// A successful REST response.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    /// 200 with this body.
    Found(Value),
    /// 201 with this body.
    Created(Value),
    /// 200 with rows.
    Rows {
        /// The members of the answer, the list among them.
        members: Value,
        /// The query string of the next page, if there is one.
        next: Option<String>,
    },
    /// 204.
    Empty,
}

/// The parts of the request that links and echoed arguments are built from.
pub(super) struct RequestInfo<'a> {
    /// The path in canonical form, prefix included.
    pub path: String,
    /// The query string, in order.
    pub query: &'a [(String, String)],
    /// The requested page; negative numbers count from the last page.
    pub page: i64,
    /// The path arguments that the response echoes.
    pub echo: Vec<(&'a str, &'a str)>,
    /// All path arguments.
    pub arguments: Vec<(&'a str, &'a str)>,
}

type Members = IndexMap<Name, Value>;

/// Returns the REST response of `endpoint`.
///
/// # Errors
/// The first error of the GraphQL response, with its code.
pub(super) fn outcome(
    endpoint: &Endpoint,
    request: &RequestInfo<'_>,
    mut response: Response,
) -> Result<Outcome, Error> {
    if let Some(error) = response.errors.first() {
        return Err(rest_error(endpoint, error));
    }
    for path in endpoint.omitted.iter() {
        omit_null(&mut response.data, path);
    }
    let Value::Object(mut data) = response.data else { return Err(wrong_shape()) };
    match endpoint.reply {
        Reply::Object => Ok(Outcome::Found(Value::Object(data))),
        Reply::All => Ok(if has_items(&data) { Outcome::Found(Value::Object(data)) } else { Outcome::Empty }),
        Reply::Created => created(&mut data),
        Reply::One => one(request, &mut data),
        Reply::Rows => rows_of(request, endpoint.rows.as_ref().ok_or_else(wrong_shape)?, data),
        Reply::Page => {
            let mut members = one_object(&mut data)?;
            if !has_items(&members) {
                return Ok(Outcome::Empty);
            }
            let (previous, next) = links(request, total_pages(&members));
            members.extend(previous.map(|url| (Name::new("prev_url"), url)));
            members.extend(next.map(|url| (Name::new("next_url"), url)));
            Ok(Outcome::Found(Value::Object(members)))
        }
        Reply::Listing => {
            let mut members: Members =
                request.echo.iter().map(|(name, value)| (Name::new(name), Value::from(*value))).collect();
            if let Some(Value::Object(page)) = data.first().map(|(_, value)| value) {
                members.extend(page.clone());
            } else {
                members.extend(data);
            }
            let (previous, next) = links(request, total_pages(&members));
            members.insert(Name::new("prev_url"), previous.unwrap_or_default());
            members.insert(Name::new("next_url"), next.unwrap_or_default());
            members.entry(Name::new("total_page")).or_insert_with(|| Value::from(1));
            Ok(Outcome::Found(Value::Object(members)))
        }
    }
}

fn wrong_shape() -> Error {
    Error::new(Code::Internal, "the response does not have the form that the endpoint declares")
}

/// Converts a GraphQL error. A GraphQL argument in its message is replaced by the REST argument that fills it.
fn rest_error(endpoint: &Endpoint, error: &async_graphql::ServerError) -> Error {
    let code = error.extensions.as_ref().and_then(|extensions| match extensions.get("code") {
        Some(Value::String(code)) => Code::parse(code),
        _ => None,
    });
    let renamed = endpoint.filled.iter().find_map(|(path, variable)| {
        let rest = error.message.strip_prefix(path.as_str())?;
        rest.starts_with([':', '.']).then(|| format!("{variable}{rest}"))
    });
    Error::new(code.unwrap_or(Code::Internal), renamed.unwrap_or_else(|| error.message.clone()))
}

fn one(request: &RequestInfo<'_>, data: &mut Members) -> Result<Outcome, Error> {
    match data.swap_remove_index(0) {
        Some((_, Value::Object(members))) if members.is_empty() => Err(nothing_with(request)),
        Some((_, object @ (Value::Object(_) | Value::Binary(_)))) => Ok(Outcome::Found(object)),
        Some((_, Value::Null)) => Err(nothing_with(request)),
        _ => Err(wrong_shape()),
    }
}

fn nothing_with(request: &RequestInfo<'_>) -> Error {
    let named = request.arguments.iter().map(|(name, value)| format!("{name}: there is no '{value}'"));
    let message = named.collect::<Vec<_>>().join("; ");
    Error::new(Code::NotFound, if message.is_empty() { "there is none".to_owned() } else { message })
}

fn rows_of(request: &RequestInfo<'_>, form: &RowsForm, data: Members) -> Result<Outcome, Error> {
    let mut members = data;
    for name in &form.path {
        members = members_of(request, members.swap_remove(name.as_str()))?;
    }
    let next = match members.get(rows::PAGE_INFO) {
        Some(Value::Object(info)) => match (info.get(rows::HAS_NEXT_PAGE), info.get(rows::END_CURSOR)) {
            (Some(Value::Boolean(true)), Some(Value::String(cursor))) => {
                Some(query_with(request.query, rows::AFTER, cursor))
            }
            _ => None,
        },
        _ => None,
    };
    Ok(Outcome::Rows { members: Value::Object(members), next })
}

/// Returns the members of an object on the way to rows.
fn members_of(request: &RequestInfo<'_>, object: Option<Value>) -> Result<Members, Error> {
    match object {
        Some(Value::Object(members)) => Ok(members),
        // It wrote itself. Its members stay as they are spelled.
        Some(Value::Binary(text)) => {
            let members: IndexMap<String, Box<RawValue>> = serde_json::from_slice(&text).map_err(|_| wrong_shape())?;
            let member = |(name, value): (String, Box<RawValue>)| {
                (Name::new(name), Value::Binary(value.get().to_owned().into()))
            };
            Ok(members.into_iter().map(member).collect())
        }
        Some(Value::Null) => Err(nothing_with(request)),
        _ => Err(wrong_shape()),
    }
}

fn one_object(data: &mut Members) -> Result<Members, Error> {
    match data.swap_remove_index(0) {
        Some((_, Value::Object(members))) => Ok(members),
        _ => Err(wrong_shape()),
    }
}

fn created(data: &mut Members) -> Result<Outcome, Error> {
    let mut payload = one_object(data)?;
    if let Some(Value::List(errors)) = payload.shift_remove("userErrors")
        && let Some(Value::Object(error)) = errors.first()
    {
        let code = match error.get("code") {
            Some(Value::Enum(code)) if code == "CONFLICT" => Code::Conflict,
            Some(Value::Enum(code)) if code == "TOO_MANY" => Code::TooLarge,
            _ => Code::BadUserInput,
        };
        let message = if let Some(Value::String(message)) = error.get("message") { message } else { code.as_str() };
        return Err(Error::new(code, message));
    }
    payload.pop().map(|(_, object)| Outcome::Created(object)).ok_or_else(wrong_shape)
}

fn has_items(members: &Members) -> bool {
    // A list that is already JSON text is never empty.
    members.values().any(|value| match value {
        Value::List(items) => !items.is_empty(),
        Value::Binary(_) => true,
        _ => false,
    })
}

fn total_pages(members: &Members) -> i64 {
    match members.get("total_page") {
        Some(Value::Number(number)) => number.as_i64().unwrap_or(1),
        _ => 1,
    }
}

fn links(request: &RequestInfo<'_>, pages: i64) -> (Option<Value>, Option<Value>) {
    let number = if request.page < 0 { pages.max(1) + request.page + 1 } else { request.page };
    let link = |number| Value::from(format!("{}?{}", request.path, query_of_page(request.query, number)));
    ((number > 1).then(|| link(number - 1)), (number < pages).then(|| link(number + 1)))
}

fn omit_null(value: &mut Value, path: &[String]) {
    match value {
        Value::List(items) => items.iter_mut().for_each(|item| omit_null(item, path)),
        Value::Object(members) => {
            if let [name] = path {
                if members.get(name.as_str()) == Some(&Value::Null) {
                    members.shift_remove(name.as_str());
                }
            } else if let [name, rest @ ..] = path
                && let Some(member) = members.get_mut(name.as_str())
            {
                omit_null(member, rest);
            }
        }
        _ => {}
    }
}
