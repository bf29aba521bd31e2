//! Big lists write themselves: a list of which nothing is asked but what its objects hold, and objects next to them, becomes JSON in
//! one go instead of a tree of values. Whatever else is asked of a list is left to the engine, which gives the same answer.

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
            listed::{Leads, Listed, Place, RowOf, Write, WriteEdge},
            loader_keys::Row,
        },
        response_budget::budget_of,
        response_options::ResponseOptions,
    },
};

/// The fields of an object type: that of a plan has nothing else ([`crate::graphql::request::collect_fields`]).
fn fields(set: &SelectionSet) -> impl Iterator<Item = &Field> {
    set.items.iter().filter_map(|selection| match &selection.node {
        Selection::Field(field) => Some(&field.node),
        Selection::InlineFragment(_) | Selection::FragmentSpread(_) => None,
    })
}

/// Whether `set`, asked of a `T`, can be written.
pub fn suits<T: Listed>(set: &SelectionSet) -> bool {
    let can_be_written = |field: &Field| {
        let name = field.name.node.as_str();
        if !field.arguments.is_empty() {
            return false;
        }
        match T::edge(name) {
            Some(edge) => edge.suits(&field.selection_set.node),
            None => name == "__typename" || T::plain(name).is_some(),
        }
    };
    fields(set).all(can_be_written)
}

enum Member<T> {
    TypeName,
    Plain(Write<T>),
    Edge(WriteEdge<T>),
}

/// Objects as JSON.
pub struct Texts {
    /// The list of all of them.
    pub json: Vec<u8>,
    /// Where each of them is.
    pub places: Vec<Range<usize>>,
}

/// Bytes that are written in one go: then others have their turn, and the time of the request may be up.
const IN_ONE_GO: usize = 1024 * 1024;

/// Bytes of an object, about.
const AN_OBJECT: usize = 600;

/// Writes what is asked of `objects`. It must suit, see [`suits`].
pub fn write<'a, T: Listed>(place: Place<'a>, objects: &'a [T]) -> BoxFuture<'a, FieldResult<Texts>> {
    Box::pin(async move {
        let Place { ctx, set, path } = place;
        let options = ctx.data_unchecked::<ResponseOptions>();
        let mut members: Vec<(String, Member<T>, bool)> = Vec::new();
        for field in fields(set) {
            let (name, key) = (field.name.node.as_str(), field.response_key().node.as_str());
            let member_path: Vec<&str> = path.iter().copied().chain([key]).collect();
            let is_omitted = options.omitted.iter().any(|omitted| *omitted == member_path);
            let key = ["\"", key, "\":"].concat();
            let member = match (T::edge(name), T::plain(name)) {
                (Some(edge), _) => {
                    let place = Place { ctx, set: &field.selection_set.node, path: member_path };
                    Member::Edge(edge.follow(place, objects).await?)
                }
                (None, Some(write)) => Member::Plain(write),
                (None, None) => Member::TypeName,
            };
            members.push((key, member, is_omitted));
        }
        let type_name = T::type_name();
        let mut json = Vec::with_capacity(objects.len() * AN_OBJECT);
        json.push(b'[');
        let mut places = Vec::with_capacity(objects.len());
        let budget = budget_of(ctx);
        let mut taken = 0;
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
                    Member::Plain(write) => {
                        write(object, &mut json).map_err(|error| Error::new(Code::Internal, error.to_string()))?;
                    }
                    Member::Edge(write) => write(object, &mut json),
                }
                if *is_omitted && json.ends_with(b":null") {
                    json.truncate(before);
                }
            }
            json.push(b'}');
            places.push(start..json.len());
            if json.len() - taken > IN_ONE_GO {
                budget.charge(json.len() - taken)?;
                taken = json.len();
                tokio::task::yield_now().await;
            }
        }
        json.push(b']');
        budget.charge(json.len() - taken)?;
        Ok(Texts { json, places })
    })
}

/// Writes a value of a field.
pub fn write_value(value: impl Serialize, json: &mut Vec<u8>) {
    let before = json.len();
    // Texts and numbers go into memory: nothing can fail.
    if serde_json::to_writer(&mut *json, &value).is_err() {
        json.truncate(before);
        json.extend_from_slice(b"null");
    }
}

/// An edge to one object of another table.
pub struct ToOne<T, U: Listed> {
    /// The key of the row that it leads to.
    pub key: fn(&T) -> i64,
    /// The object of that row, where the graph shows it.
    pub object: fn(RowOf<U>) -> Option<U>,
    /// Whether there may be none.
    pub is_nullable: bool,
}

impl<T: Sync + 'static, U: Listed> Leads<T> for ToOne<T, U> {
    fn suits(&self, set: &SelectionSet) -> bool {
        suits::<U>(set)
    }

    fn follow<'a>(&'a self, place: Place<'a>, objects: &'a [T]) -> BoxFuture<'a, FieldResult<WriteEdge<T>>> {
        Box::pin(async move {
            let Self { key, object, is_nullable } = *self;
            let mut keys: Vec<i64> = objects.iter().map(key).collect();
            keys.sort_unstable();
            keys.dedup();
            let rows =
                loaders_of(place.ctx).load_many(keys.iter().copied().map(Row::<U::Entity>::key).collect()).await?;
            let there = keys.iter().filter_map(|key| Some((*key, object(rows.get(&Row::key(*key))?.clone())?)));
            let (there, objects): (Vec<i64>, Vec<U>) = there.unzip();
            if there.len() < keys.len() && !is_nullable {
                return Err(Error::new(Code::Internal, "a reference leads nowhere").into());
            }
            let Texts { json, places } = write(place, &objects).await?;
            let places: HashMap<i64, Range<usize>> = there.into_iter().zip(places).collect();
            Ok(Box::new(move |from: &T, out: &mut Vec<u8>| match places.get(&key(from)) {
                Some(place) => out.extend_from_slice(&json[place.clone()]),
                None => out.extend_from_slice(b"null"),
            }) as WriteEdge<T>)
        })
    }
}

/// A list of objects, written by itself where that can be.
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

impl<T: Listed> OutputType for Items<T> {
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
        match written(ctx, field, &self.0).await {
            Some(Texts { json, .. }) => Ok(Value::Binary(json.into())),
            None => self.0.resolve(ctx, field).await,
        }
    }
}

/// An object by itself, written like those of a list where that can be.
pub struct One<T>(pub T);

impl<T: Listed> OutputType for One<T> {
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
        match written(ctx, field, slice::from_ref(&self.0)).await {
            Some(Texts { mut json, .. }) => {
                // The list's brackets.
                json.pop();
                json.remove(0);
                Ok(Value::Binary(json.into()))
            }
            None => self.0.resolve(ctx, field).await,
        }
    }
}

/// What is asked of `objects`; `None` where that is the engine's to answer, as all is that comes without [`ResponseOptions`].
async fn written<T: Listed>(ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>, objects: &[T]) -> Option<Texts> {
    ctx.data_opt::<ResponseOptions>()?;
    let set = &field.node.selection_set.node;
    if objects.is_empty() || !suits::<T>(set) {
        return None;
    }
    let place = Place { ctx, set, path: ctx.path_node.as_ref().map(names).unwrap_or_default() };
    // The engine meets the same failure at the field that it belongs to, and nulls no more than that.
    write(place, objects).await.ok()
}

/// The names on the way to a place, places in lists left out.
fn names<'a>(node: &QueryPathNode<'a>) -> Vec<&'a str> {
    let mut names = node.parent.map(names).unwrap_or_default();
    if let QueryPathSegment::Name(name) = node.segment {
        names.push(name);
    }
    names
}

/// The bytes of those lists of an answer that have written themselves.
pub fn written_bytes(value: &Value) -> usize {
    match value {
        Value::Binary(written) => written.len(),
        Value::List(items) => items.iter().map(written_bytes).sum(),
        Value::Object(members) => members.values().map(written_bytes).sum(),
        _ => 0,
    }
}

/// Writes what a request was answered, with the lists that have written themselves.
pub fn write_answer(value: &Value, json: &mut Vec<u8>) {
    let mut separate = {
        let mut is_first = true;
        move |json: &mut Vec<u8>| {
            if !std::mem::take(&mut is_first) {
                json.push(b',');
            }
        }
    };
    match value {
        Value::Binary(written) => json.extend_from_slice(written),
        Value::List(items) => {
            json.push(b'[');
            for item in items {
                separate(json);
                write_answer(item, json);
            }
            json.push(b']');
        }
        Value::Object(members) => {
            json.push(b'{');
            for (name, member) in members {
                separate(json);
                write_value(name.as_str(), json);
                json.push(b':');
                write_answer(member, json);
            }
            json.push(b'}');
        }
        plain => write_value(plain, json),
    }
}
