//! Parses requests: the body of a POST, one or a batch, and the parameters of a GET.

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use async_graphql::{Name, Value as GraphqlValue, Variables, indexmap::IndexMap};
use axum::body::Bytes;
use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value, value::RawValue};

use crate::graphql::{are_metrics, has_long_numbers, read_exactly, text_without_bom, without_bom};

/// A GraphQL request.
#[derive(Debug, Default)]
pub(crate) struct Request {
    /// The text of the document.
    pub(crate) query: Option<String>,
    /// The id of a trusted document.
    pub(crate) document_id: Option<String>,
    /// The operation to run if the document has several.
    pub(crate) operation_name: Option<String>,
    /// Its variables.
    pub(crate) variables: Variables,
    /// Its extensions.
    pub(crate) extensions: Extensions,
}

impl Request {
    /// Whether it names a document in any way.
    pub(crate) fn names_a_document(&self) -> bool {
        self.query.is_some() || self.document_id.is_some() || self.extensions.hash.is_some()
    }
}

/// The supported members of `extensions`.
#[derive(Debug, Default)]
pub(crate) struct Extensions {
    /// `persistedQuery.sha256Hash`: the hash of the document.
    pub(crate) hash: Option<String>,
    /// `cost`: whether to report the cost.
    pub(crate) cost: bool,
}

impl Extensions {
    fn of(members: &Map<String, Value>) -> Result<Self, String> {
        let cost = match members.get("cost") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(cost)) => *cost,
            Some(_) => return Err("extensions.cost: true or false is expected".to_owned()),
        };
        let hash = match members.get("persistedQuery") {
            None | Some(Value::Null) => None,
            Some(Value::Object(persisted)) => {
                if persisted.get("version").and_then(Value::as_u64) != Some(1) {
                    return Err("extensions.persistedQuery.version: 1 is expected".to_owned());
                }
                let hash = persisted.get("sha256Hash").and_then(Value::as_str);
                Some(hash.ok_or("extensions.persistedQuery.sha256Hash: a text is expected")?.to_owned())
            }
            Some(_) => return Err("extensions.persistedQuery: an object is expected".to_owned()),
        };
        Ok(Self { hash, cost })
    }
}

/// An object or null. It is parsed as a value of the engine's first: serde's [`Value`] parses a member with a certain
/// name as nested JSON, which resets the limit of nesting, and the stack would overflow.
#[derive(Debug)]
pub(crate) struct Object(pub Option<Map<String, Value>>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Some(members) = Option::<IndexMap<Name, GraphqlValue>>::deserialize(deserializer)? else {
            return Ok(Self(None));
        };
        let members = members.into_iter().map(|(name, value)| Ok((name.to_string(), value.into_json()?)));
        members.collect::<serde_json::Result<_>>().map(Some).map(Self).map_err(D::Error::custom)
    }
}

/// The body of a POST.
#[derive(Debug)]
pub(crate) enum PostBody {
    /// A single request.
    One(Request),
    /// A batch.
    Batch(Vec<Request>),
    /// A batch over the limit, with its number of requests.
    TooMany(usize),
}

/// Parses the body of a POST with a batch of `most` requests at most.
///
/// # Errors
/// What is wrong, and where.
pub(crate) fn read(body: &[u8], most: usize) -> Result<PostBody, String> {
    let body = without_bom(body);
    let is_batch = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    if body.len() >= LONG && !is_batch {
        let mut json = serde_json::Deserializer::from_slice(body);
        let request = json.deserialize_map(Members::<Kept>(PhantomData));
        // On failure, the generic parser reports the reason.
        if let Ok(request) = request.and_then(|request| json.end().map(|()| request)) {
            return Ok(PostBody::One(request));
        }
    }
    let read = if has_long_numbers(body) { read_as::<Exact> } else { read_as::<Variables> };
    read(body, is_batch.then_some(most)).map_err(|error| error.to_string())
}

/// Parses a request, or a batch of `most` requests at most.
fn read_as<'de, V: Deserialize<'de> + Into<Variables>>(
    body: &'de [u8],
    most: Option<usize>,
) -> serde_json::Result<PostBody> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let sent = match most {
        Some(most) => json.deserialize_seq(Requests::<V>(most, PhantomData)),
        None => json.deserialize_map(Members::<V>(PhantomData)).map(PostBody::One),
    };
    sent.and_then(|sent| json.end().map(|()| sent))
}

/// Variables whose integers beyond 64 bits keep all digits.
struct Exact(Variables);

impl From<Exact> for Variables {
    fn from(Exact(variables): Exact) -> Self {
        variables
    }
}

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let given = <&RawValue>::deserialize(deserializer)?.get();
        // The engine's parser reports the error if this is no object.
        let variables = serde_json::from_str(given).map_err(D::Error::custom)?;
        Ok(Self(read_exactly(given).map_or(variables, Variables::from_value)))
    }
}

/// Minimum size of a list of metrics that is kept as text, in bytes.
const LONG: usize = 16 * 1024;

/// Variables in which long lists of metrics stay text, as [`GraphqlValue::Binary`], which JSON cannot contain
/// otherwise. The engine would copy each of their values several times.
struct Kept(Variables);

impl From<Kept> for Variables {
    fn from(Kept(variables): Kept) -> Self {
        variables
    }
}

impl<'de> Deserialize<'de> for Kept {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let given = Option::<BTreeMap<Name, &RawValue>>::deserialize(deserializer)?.unwrap_or_default();
        let values = given.into_iter().map(|(name, raw)| Ok((name, kept(raw, true)?)));
        let values: BTreeMap<_, _> = values.collect::<Result<_, serde_json::Error>>().map_err(D::Error::custom)?;
        Ok(Self(Variables::from_value(GraphqlValue::Object(values.into_iter().collect()))))
    }
}

/// Parses a value. If `may_hold`, an object may contain the list.
fn kept(raw: &RawValue, may_hold: bool) -> serde_json::Result<GraphqlValue> {
    let text = raw.get();
    if text.len() >= LONG && may_hold && text.starts_with('{') {
        let members: IndexMap<Name, &RawValue> = serde_json::from_str(text)?;
        let members = members.into_iter().map(|(name, raw)| Ok((name, kept(raw, false)?)));
        return members.collect::<serde_json::Result<_>>().map(GraphqlValue::Object);
    }
    if text.len() >= LONG && text.starts_with('[') && are_metrics(text) {
        return Ok(GraphqlValue::Binary(Bytes::copy_from_slice(text.as_bytes())));
    }
    serde_json::from_str(text)
}

/// Parses a batch, the variables as `V`.
struct Requests<V>(usize, PhantomData<V>);

impl<'de, V: Deserialize<'de> + Into<Variables>> Visitor<'de> for Requests<V> {
    type Value = PostBody;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of requests")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut items: S) -> Result<PostBody, S::Error> {
        let mut requests = Vec::new();
        while requests.len() < self.0 {
            let Some(One(request, _)) = items.next_element::<One<V>>()? else { return Ok(PostBody::Batch(requests)) };
            requests.push(request);
        }
        let mut count = requests.len();
        while items.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(if count > self.0 { PostBody::TooMany(count) } else { PostBody::Batch(requests) })
    }
}

/// A request of a batch, the variables parsed as `V`.
struct One<V>(Request, PhantomData<V>);

impl<'de, V: Deserialize<'de> + Into<Variables>> Deserialize<'de> for One<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members::<V>(PhantomData)).map(|request| Self(request, PhantomData))
    }
}

/// Parses the parameters of a GET.
///
/// # Errors
/// What is wrong, and where.
pub(crate) fn read_parameters(parameters: &str) -> Result<Request, String> {
    fn json<T: for<'a> Deserialize<'a>>(name: &str, text: &str) -> Result<T, String> {
        serde_json::from_str(text_without_bom(text)).map_err(|error| format!("{name}: no JSON object: {error}"))
    }
    let mut request = Request::default();
    let mut seen = Vec::new();
    for (name, value) in form_urlencoded::parse(parameters.as_bytes()) {
        let is_ours = ["query", "documentId", "operationName", "variables", "extensions"].contains(&&*name);
        if is_ours && seen.contains(&name) {
            return Err(format!("{name}: it is given twice"));
        }
        match &*name {
            "query" => request.query = Some(value.into_owned()),
            "documentId" => request.document_id = Some(value.into_owned()),
            "operationName" => request.operation_name = Some(value.into_owned()),
            "variables" if !value.is_empty() => request.variables = json::<Exact>("variables", &value)?.into(),
            "extensions" if !value.is_empty() => {
                let Object(members) = json("extensions", &value)?;
                request.extensions = Extensions::of(&members.unwrap_or_default())?;
            }
            _ => {}
        }
        seen.push(name);
    }
    Ok(request)
}

/// Parses an object and names the member that is wrong. Variables may be large, so they are parsed without an
/// intermediate JSON value.
impl<'de> Deserialize<'de> for Request {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members::<Variables>(PhantomData))
    }
}

/// The members of a request, the variables parsed as `V`.
struct Members<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de> + Into<Variables>> Visitor<'de> for Members<V> {
    type Value = Request;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with query, the text of a GraphQL document")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<Request, M::Error> {
        let mut request = Request::default();
        let mut seen = Vec::new();
        while let Some(name) = members.next_key::<String>()? {
            let members = &mut members;
            match name.as_str() {
                "query" => request.query = member(members, "query", &mut seen)?,
                "documentId" => request.document_id = member(members, "documentId", &mut seen)?,
                "operationName" => request.operation_name = member(members, "operationName", &mut seen)?,
                "variables" => request.variables = member::<_, V>(members, "variables", &mut seen)?.into(),
                "extensions" => {
                    let Object(given) = member(members, "extensions", &mut seen)?;
                    request.extensions = Extensions::of(&given.unwrap_or_default()).map_err(Error::custom)?;
                }
                _ => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        Ok(request)
    }
}

fn member<'de, M: MapAccess<'de>, T: Deserialize<'de>>(
    members: &mut M,
    name: &'static str,
    seen: &mut Vec<&'static str>,
) -> Result<T, M::Error> {
    if seen.contains(&name) {
        return Err(Error::custom(format!("{name}: it is given twice")));
    }
    seen.push(name);
    members.next_value().map_err(|error| Error::custom(format!("{name}: {error}")))
}
