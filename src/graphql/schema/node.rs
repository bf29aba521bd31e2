//! Relay's `Node`: every object by one kind of key.

use async_graphql::{Context, ID, Interface, Object};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use entity::list::{self, Noun};

use crate::{
    error::Error,
    graphql::{
        error::Answer,
        lists::{connection::Listed, dataloader::loaders_of, loader_keys::Row},
        schema::{
            build::Build, component::Component, execution_context::ExecutionContext, item::Item, metric::Metric,
            pipeline::Pipeline, session::Session, tag::Tag, variant::Variant,
        },
        state::served,
    },
};

/// An object that can be fetched by its global ID.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "Global ID of the object."))]
pub enum Node {
    Session(Session),
    ExecutionContext(ExecutionContext),
    Metric(Metric),
    Component(Component),
    Item(Item),
    Variant(Variant),
    Pipeline(Pipeline),
    Build(Build),
    Tag(Tag),
}

/// The key of the row `id` among all objects.
pub fn global_id<T: Listed>(id: i64) -> ID {
    BASE64_URL_SAFE_NO_PAD.encode(format!("{}:{id}", T::type_name())).into()
}

/// The type and the row that a key names.
fn read_id(argument: &str, id: &ID) -> Result<(String, i64), Error> {
    let read = || {
        let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(id.as_str()).ok()?).ok()?;
        let (name, row) = text.split_once(':')?;
        Some((name.to_owned(), row.parse().ok()?))
    };
    read().ok_or_else(|| Error::bad_input(format!("{argument}: '{}' is no id of this server", id.as_str())))
}

/// The row of a `T` that a key names.
///
/// # Errors
/// [`crate::error::Code::BadUserInput`] for a key of another type.
pub fn row_id<T: Listed>(argument: &str, id: &ID) -> Result<i64, Error> {
    match read_id(argument, id)? {
        (name, row) if name == T::type_name() => Ok(row),
        (name, _) => {
            Err(Error::bad_input(format!("{argument}: this is the id of a {name}, not of a {}", T::type_name())))
        }
    }
}

/// The object with this key, where it is there.
pub async fn find<T: Listed>(ctx: &Context<'_>, id: i64) -> Result<Option<T>, Error> {
    match loaders_of(ctx).load(Row::<T::Entity>::key(id)).await? {
        Some(row) => Ok(T::from_rows(ctx, vec![row]).await?.pop()),
        None => Ok(None),
    }
}

/// The object of one type that a key names, as a nullable field gives it.
pub async fn find_by_id<T: Listed>(ctx: &Context<'_>, id: &ID) -> Option<Answer<T>> {
    match row_id::<T>("id", id) {
        Ok(row) => find(ctx, row).await.map_err(Into::into).transpose(),
        Err(error) => Some(Err(error.into())),
    }
}

/// The first object that matches, as a nullable field gives it.
pub async fn find_first<T: Listed>(ctx: &Context<'_>, filter: <T::Entity as Noun>::Filter) -> Option<Answer<T>> {
    let rows = list::page::<T::Entity>(&served(ctx).database.reader, &filter.into(), 1, 1).await;
    let found = match rows {
        Ok(rows) => T::from_rows(ctx, rows).await,
        Err(error) => Err(error.into()),
    };
    found.map(|mut objects| objects.pop()).map_err(Into::into).transpose()
}

async fn node(ctx: &Context<'_>, argument: &str, id: &ID) -> Result<Option<Node>, Error> {
    let (name, row) = read_id(argument, id)?;
    Ok(match name.as_str() {
        "Session" => find(ctx, row).await?.map(Node::Session),
        "ExecutionContext" => find(ctx, row).await?.map(Node::ExecutionContext),
        "Metric" => find(ctx, row).await?.map(Node::Metric),
        "Component" => find(ctx, row).await?.map(Node::Component),
        "Item" => find(ctx, row).await?.map(Node::Item),
        "Variant" => find(ctx, row).await?.map(Node::Variant),
        "Pipeline" => find(ctx, row).await?.map(Node::Pipeline),
        "Build" => find(ctx, row).await?.map(Node::Build),
        "Tag" => find(ctx, row).await?.map(Node::Tag),
        _ => return Err(Error::bad_input(format!("{argument}: '{}' is no id of this server", id.as_str()))),
    })
}

/// Ids of one `nodes`, at most.
const MOST_IDS: usize = 500;

#[derive(Default)]
pub struct NodeQuery;

#[Object]
impl NodeQuery {
    /// The object with this global ID. Null if there is none.
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "A global ID: the `id` of any object.")] id: ID,
    ) -> Option<Answer<Node>> {
        node(ctx, "id", &id).await.map_err(Into::into).transpose()
    }

    /// The objects with these global IDs, in the given order. Null for each that does not exist.
    #[graphql(complexity = "crate::graphql::lists::cost::cost(i64::try_from(ids.len()).ok(), None, child_complexity)")]
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Global IDs of any objects, at most 500.")] ids: Vec<ID>,
    ) -> Answer<Vec<Option<Answer<Node>>>> {
        if ids.len() > MOST_IDS {
            return Err(Error::bad_input(format!("ids: at most {MOST_IDS} at a time")).into());
        }
        let found = ids.iter().map(async |id| node(ctx, "ids", id).await.map_err(Into::into).transpose());
        Ok(futures_util::future::join_all(found).await)
    }
}
