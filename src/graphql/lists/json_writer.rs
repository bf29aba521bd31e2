//! JSON writer: writes a list directly as JSON instead of building a tree of values, which is much faster for long lists. It handles
//! selections of the scalars of the items and of objects that the items refer to. Other selections are left to the engine; the
//! response is the same.

use std::{borrow::Cow, collections::HashMap, ops::Range, slice};

use async_graphql::{
    ContextSelectionSet, OutputType, Positioned, QueryPathNode, QueryPathSegment, ServerResult, Value,
    parser::types::{Field, Selection, SelectionSet},
    registry::Registry,
};
use futures_util::future::BoxFuture;
use serde::Serialize;

use crate::{
    error::{Code, Error},
    graphql::{
        error::FieldResult,
        lists::{
            dataloader::loaders_of,
            listed::{Listed, RowOf, SelectionContext, Writable, WritableEdge, WriteEdge, WriteField},
            loader_keys::RowById,
        },
        response_budget::budget_of,
        response_options::ResponseOptions,
    },
};

/// Returns the fields of a selection set. Those of a plan contain nothing else ([`crate::graphql::request::collect_fields`]).
pub fn fields(set: &SelectionSet) -> impl Iterator<Item = &Field> {
    set.items.iter().filter_map(|selection| match &selection.node {
        Selection::Field(field) => Some(&field.node),
        Selection::InlineFragment(_) | Selection::FragmentSpread(_) => None,
    })
}

/// Whether the writer handles the selection set `set` on `T`.
pub fn can_write<T: Writable>(set: &SelectionSet) -> bool {
    let is_supported = |field: &Field| {
        let name = field.name.node.as_str();
        if !field.arguments.is_empty() && !T::reads_arguments(name) {
            return false;
        }
        match T::writable_edge(name) {
            Some(edge) => edge.can_write(&field.selection_set.node),
            None => name == "__typename" || T::scalar(name).is_some(),
        }
    };
    fields(set).all(is_supported)
}

enum Member<T> {
    TypeName,
    Scalar(WriteField<T>),
    Edge(WriteEdge<T>),
}

/// A JSON list of objects.
pub struct JsonList {
    /// The text of the list.
    pub json: Vec<u8>,
    /// Where the text has each object.
    pub ranges: Vec<Range<usize>>,
}

/// Number of bytes written between two yields to the runtime. Yielding lets other tasks run, and the request time out.
const YIELD_INTERVAL_BYTES: usize = 1024 * 1024;

/// Typical size of an object, in bytes.
const ESTIMATED_OBJECT_BYTES: usize = 600;

/// Writes the selected fields of `objects`. The selection must be one that [`can_write`] accepts.
pub fn write_list<'a, T: Writable>(
    selection: SelectionContext<'a>,
    objects: &'a [T],
) -> BoxFuture<'a, FieldResult<JsonList>> {
    Box::pin(async move {
        let SelectionContext { ctx, set, path } = selection;
        let options = ctx.data_unchecked::<ResponseOptions>();
        let mut members: Vec<(String, Member<T>, bool)> = Vec::new();
        for field in fields(set) {
            let (name, key) = (field.name.node.as_str(), field.response_key().node.as_str());
            let member_path: Vec<&str> = path.iter().copied().chain([key]).collect();
            let is_omitted = options.omitted.iter().any(|omitted| *omitted == member_path);
            let member = match (T::writable_edge(name), T::scalar(name)) {
                (Some(edge), _) => {
                    let selection = SelectionContext { ctx, set: &field.selection_set.node, path: member_path };
                    Member::Edge(edge.load(selection, objects).await?)
                }
                (None, Some(write)) => Member::Scalar(write),
                (None, None) => Member::TypeName,
            };
            members.push((member_key(field), member, is_omitted));
        }
        let type_name = T::type_name();
        let mut json = Vec::with_capacity(objects.len() * ESTIMATED_OBJECT_BYTES);
        json.push(b'[');
        let mut ranges = Vec::with_capacity(objects.len());
        let budget = budget_of(ctx);
        let mut charged = 0;
        for object in objects {
            if json.len() > 1 {
                json.push(b',');
            }
            let start = json.len();
            json.push(b'{');
            for (key, member, is_omitted) in &members {
                let before = json.len();
                if !json.ends_with(b"{") {
                    json.push(b',');
                }
                json.extend_from_slice(key.as_bytes());
                match member {
                    Member::TypeName => write_value(&*type_name, &mut json),
                    Member::Scalar(write) => {
                        write(object, &mut json).map_err(|error| Error::new(Code::Internal, error.to_string()))?;
                    }
                    Member::Edge(write) => write(object, &mut json),
                }
                if *is_omitted && json.ends_with(b":null") {
                    json.truncate(before);
                }
            }
            json.push(b'}');
            ranges.push(start..json.len());
            if json.len() - charged > YIELD_INTERVAL_BYTES {
                budget.charge(json.len() - charged)?;
                charged = json.len();
                tokio::task::yield_now().await;
            }
        }
        json.push(b']');
        budget.charge(json.len() - charged)?;
        Ok(JsonList { json, ranges })
    })
}

/// Returns the response name of a field as it stands before its value.
pub fn member_key(field: &Field) -> String {
    ["\"", field.response_key().node.as_str(), "\":"].concat()
}

/// Writes an object of these members, each with its [`member_key`].
pub fn write_object<M>(members: &[(String, M)], json: &mut Vec<u8>, write: impl Fn(&M, &mut Vec<u8>)) {
    json.push(b'{');
    for (number, (key, member)) in members.iter().enumerate() {
        if number > 0 {
            json.push(b',');
        }
        json.extend_from_slice(key.as_bytes());
        write(member, json);
    }
    json.push(b'}');
}

/// Writes a scalar, as a [`WriteField`] does.
pub fn write_scalar(value: impl Serialize, json: &mut Vec<u8>) -> serde_json::Result<()> {
    serde_json::to_writer(json, &value)
}

/// Writes a value as JSON.
pub fn write_value(value: impl Serialize, json: &mut Vec<u8>) {
    let before = json.len();
    // Serializing scalars to memory does not fail.
    if serde_json::to_writer(&mut *json, &value).is_err() {
        json.truncate(before);
        json.extend_from_slice(b"null");
    }
}

/// An edge to one object, by a foreign key.
pub struct ToOne<T, U: Listed> {
    /// Returns the foreign key, if there is one.
    pub key: fn(&T) -> Option<i64>,
    /// Converts the row to an object, if the schema exposes it.
    pub object: fn(RowOf<U>) -> Option<U>,
    /// Whether the object may be missing.
    pub is_nullable: bool,
}

impl<T: Sync + 'static, U: Listed> WritableEdge<T> for ToOne<T, U> {
    fn can_write(&self, set: &SelectionSet) -> bool {
        can_write::<U>(set)
    }

    fn load<'a>(
        &'a self,
        selection: SelectionContext<'a>,
        objects: &'a [T],
    ) -> BoxFuture<'a, FieldResult<WriteEdge<T>>> {
        Box::pin(async move {
            let Self { key, object, is_nullable } = *self;
            let mut keys: Vec<i64> = objects.iter().filter_map(key).collect();
            keys.sort_unstable();
            keys.dedup();
            let rows = loaders_of(selection.ctx)
                .load_many(keys.iter().copied().map(RowById::<U::Entity>::new).collect())
                .await?;
            let found = keys.iter().filter_map(|key| Some((*key, object(rows.get(&RowById::new(*key))?.clone())?)));
            let (found, objects): (Vec<i64>, Vec<U>) = found.unzip();
            if found.len() < keys.len() && !is_nullable {
                return Err(Error::deleted_meanwhile().into());
            }
            let JsonList { json, ranges } = write_list(selection, &objects).await?;
            let ranges: HashMap<i64, Range<usize>> = found.into_iter().zip(ranges).collect();
            Ok(Box::new(move |from: &T, out: &mut Vec<u8>| match key(from).and_then(|key| ranges.get(&key)) {
                Some(range) => out.extend_from_slice(&json[range.clone()]),
                None => out.extend_from_slice(b"null"),
            }) as WriteEdge<T>)
        })
    }
}

/// A list of objects that is resolved by the JSON writer where possible.
pub struct Items<T>(Vec<T>);

impl<T> From<Vec<T>> for Items<T> {
    fn from(objects: Vec<T>) -> Self {
        Self(objects)
    }
}

impl<T> From<Items<T>> for Vec<T> {
    fn from(Items(objects): Items<T>) -> Self {
        objects
    }
}

impl<T> std::ops::Deref for Items<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Writable> OutputType for Items<T> {
    fn type_name() -> Cow<'static, str> {
        Vec::<T>::type_name()
    }

    fn qualified_type_name() -> String {
        Vec::<T>::qualified_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        Vec::<T>::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
        match write_selection(ctx, field, &self.0).await {
            Some(JsonList { json, .. }) => Ok(Value::Binary(json.into())),
            None => self.0.resolve(ctx, field).await,
        }
    }
}

/// An object that is resolved by the JSON writer where possible.
pub struct One<T>(pub T);

impl<T: Writable> OutputType for One<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn qualified_type_name() -> String {
        T::qualified_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
        match write_selection(ctx, field, slice::from_ref(&self.0)).await {
            Some(JsonList { mut json, .. }) => {
                // The list's brackets.
                json.pop();
                json.remove(0);
                Ok(Value::Binary(json.into()))
            }
            None => self.0.resolve(ctx, field).await,
        }
    }
}

/// Writes the selected fields of `objects`. Returns `None` if the engine has to resolve them, as it does for all requests without
/// [`ResponseOptions`].
async fn write_selection<T: Writable>(
    ctx: &ContextSelectionSet<'_>,
    field: &Positioned<Field>,
    objects: &[T],
) -> Option<JsonList> {
    ctx.data_opt::<ResponseOptions>()?;
    let set = &field.node.selection_set.node;
    if objects.is_empty() || !can_write::<T>(set) {
        return None;
    }
    let selection = SelectionContext { ctx, set, path: ctx.path_node.as_ref().map(response_path).unwrap_or_default() };
    // On an error the engine resolves the list again: it reports the error at its field, and nulls only that.
    write_list(selection, objects).await.ok()
}

/// Returns the response names on the path to `node`, without list indices.
fn response_path<'a>(node: &QueryPathNode<'a>) -> Vec<&'a str> {
    let mut names = node.parent.map(response_path).unwrap_or_default();
    if let QueryPathSegment::Name(name) = node.segment {
        names.push(name);
    }
    names
}

/// Returns the number of bytes of JSON text that the writer has put into a response.
pub fn raw_json_bytes(value: &Value) -> usize {
    match value {
        Value::Binary(text) => text.len(),
        Value::List(items) => items.iter().map(raw_json_bytes).sum(),
        Value::Object(members) => members.values().map(raw_json_bytes).sum(),
        _ => 0,
    }
}

/// Writes a response as JSON, including the JSON text that the writer has put into it.
pub fn write_json(value: &Value, json: &mut Vec<u8>) {
    let mut separate = {
        let mut is_first = true;
        move |json: &mut Vec<u8>| {
            if !std::mem::take(&mut is_first) {
                json.push(b',');
            }
        }
    };
    match value {
        Value::Binary(text) => json.extend_from_slice(text),
        Value::List(items) => {
            json.push(b'[');
            for item in items {
                separate(json);
                write_json(item, json);
            }
            json.push(b']');
        }
        Value::Object(members) => {
            json.push(b'{');
            for (name, member) in members {
                separate(json);
                write_value(name.as_str(), json);
                json.push(b':');
                write_json(member, json);
            }
            json.push(b'}');
        }
        scalar => write_value(scalar, json),
    }
}
