//! Turns what the graph answers into the five forms of REST answers.

use async_graphql::{Name, Response as Answer, Value, indexmap::IndexMap};

use super::{
    document::{EntryPoint, Reply},
    template::query_of_page,
};
use crate::error::{Code, Error};

/// A REST answer.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    /// 200 with this body.
    Found(Value),
    /// 201 with this body.
    Created(Value),
    /// 204.
    Empty,
}

/// How the request was made, for the links.
pub(super) struct Asked<'a> {
    /// The path in canonical form, prefix included.
    pub path: String,
    /// The query string, in order.
    pub query: &'a [(String, String)],
    /// The page asked for.
    pub page: i64,
    /// The arguments that the answer repeats.
    pub echo: Vec<(&'a str, &'a str)>,
}

type Members = IndexMap<Name, Value>;

/// The answer of `point`.
///
/// # Errors
/// What the graph reports, by its code.
pub(super) fn outcome(point: &EntryPoint, asked: &Asked<'_>, mut answer: Answer) -> Result<Outcome, Error> {
    if let Some(error) = answer.errors.first() {
        return Err(reported(point, error));
    }
    for path in point.omitted.iter() {
        omit_null(&mut answer.data, path);
    }
    let Value::Object(mut data) = answer.data else { return Err(unexpected()) };
    match point.reply {
        Reply::Object => Ok(Outcome::Found(Value::Object(data))),
        Reply::All => Ok(if has_items(&data) { Outcome::Found(Value::Object(data)) } else { Outcome::Empty }),
        Reply::Created => created(&mut data),
        Reply::Page => {
            let mut members = one_object(&mut data)?;
            if !has_items(&members) {
                return Ok(Outcome::Empty);
            }
            let (before, behind) = links(asked, total_pages(&members));
            members.extend(before.map(|url| (Name::new("prev_url"), url)));
            members.extend(behind.map(|url| (Name::new("next_url"), url)));
            Ok(Outcome::Found(Value::Object(members)))
        }
        Reply::Listing => {
            let mut members: Members =
                asked.echo.iter().map(|(name, value)| (Name::new(name), Value::from(*value))).collect();
            if let Some(Value::Object(page)) = data.first().map(|(_, value)| value) {
                members.extend(page.clone());
            } else {
                members.extend(data);
            }
            let (before, behind) = links(asked, total_pages(&members));
            members.insert(Name::new("prev_url"), before.unwrap_or_default());
            members.insert(Name::new("next_url"), behind.unwrap_or_default());
            members.entry(Name::new("total_page")).or_insert_with(|| Value::from(1));
            Ok(Outcome::Found(Value::Object(members)))
        }
    }
}

fn unexpected() -> Error {
    Error::new(Code::Internal, "the answer does not have the form that the entry point declares")
}

/// The graph's error with its code. Where it names an argument of the graph, it is made to name that of the request.
fn reported(point: &EntryPoint, error: &async_graphql::ServerError) -> Error {
    let code = error.extensions.as_ref().and_then(|extensions| match extensions.get("code") {
        Some(Value::String(code)) => Code::parse(code),
        _ => None,
    });
    let renamed = point.filled.iter().find_map(|(path, variable)| {
        let rest = error.message.strip_prefix(path.as_str())?;
        rest.starts_with([':', '.']).then(|| format!("{variable}{rest}"))
    });
    Error::new(code.unwrap_or(Code::Internal), renamed.unwrap_or_else(|| error.message.clone()))
}

fn one_object(data: &mut Members) -> Result<Members, Error> {
    match data.swap_remove_index(0) {
        Some((_, Value::Object(members))) => Ok(members),
        _ => Err(unexpected()),
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
    payload.pop().map(|(_, object)| Outcome::Created(object)).ok_or_else(unexpected)
}

fn has_items(members: &Members) -> bool {
    // A list that has written itself has items.
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

fn links(asked: &Asked<'_>, pages: i64) -> (Option<Value>, Option<Value>) {
    let number = if asked.page < 0 { pages.max(1) + asked.page + 1 } else { asked.page };
    let link = |number| Value::from(format!("{}?{}", asked.path, query_of_page(asked.query, number)));
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
