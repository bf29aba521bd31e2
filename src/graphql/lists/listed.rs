//! Traits of the object types that lists have as items.

use async_graphql::{Context, ContextSelectionSet, InputType, OutputType, parser::types::SelectionSet};
use entity::{
    filter::Tree,
    list::{Listable, Order},
    query::Query,
};
use futures_util::future::BoxFuture;
use sea_orm::EntityTrait;

use crate::{
    error::Error,
    graphql::{
        error::FieldResult,
        lists::{filter::Where, page_number::page_with_count},
        scalars::Int,
        state::state_of,
    },
};

/// The row of an object type.
pub type RowOf<T> = <<T as Listed>::Entity as EntityTrait>::Model;

/// An object type that lists have as items.
pub trait Listed: OutputType + WriteJson {
    /// Its table.
    type Entity: Query;
    /// The `where` argument of its lists.
    type Where: InputType + Where<Filter = <Self::Entity as Listable>::Filter>;
    /// The `orderBy` argument of its lists.
    type OrderBy: InputType + Into<Order<<Self::Entity as Listable>::Sort>>;

    /// Converts rows to objects, in their order.
    fn from_rows(ctx: &Context<'_>, rows: Vec<RowOf<Self>>) -> impl Future<Output = Result<Vec<Self>, Error>> + Send;

    /// Returns how the JSON writer handles the field of this name, if it leads to other objects.
    fn edge(_field: &str) -> Option<&'static dyn WritableEdge<Self>> {
        None
    }

    /// Returns the rows of page `number` of all rows that match, in order of arrival, and the number of rows that match. See
    /// [`crate::graphql::lists::page_number`].
    fn page(
        ctx: &Context<'_>,
        filter: &Tree<<Self::Entity as Listable>::Filter>,
        number: Option<i64>,
        size: u64,
    ) -> impl Future<Output = Result<(Vec<RowOf<Self>>, u64), Error>> + Send {
        async move {
            let db = &state_of(ctx).database.store;
            let page = async |number| Ok(Self::Entity::page(db, filter, number, size).await?);
            page_with_count(Self::count(ctx, filter), page, number, size).await
        }
    }

    /// Returns the number of rows that match.
    fn count(
        ctx: &Context<'_>,
        filter: &Tree<<Self::Entity as Listable>::Filter>,
    ) -> impl Future<Output = Result<u64, Error>> + Send;
}

/// A table that the schema exposes as an object type. Lists are declared by table, so that the module of a parent type does not depend
/// on those of its children.
pub trait Exposed: Query {
    /// The type of the objects.
    type Object: Listed<Entity = Self>;
}

/// The object type of a table.
pub type ObjectOf<E> = <E as Exposed>::Object;
/// The `where` of a table's lists.
pub type WhereOf<E> = <ObjectOf<E> as Listed>::Where;
/// The `orderBy` of a table's lists.
pub type OrderByOf<E> = <ObjectOf<E> as Listed>::OrderBy;

/// Resolves a field that counts the rows of a table that match.
pub async fn count<E: Exposed>(ctx: &Context<'_>, filter: Option<WhereOf<E>>) -> FieldResult<Int> {
    let filter = filter.map(|filter| filter.check(ctx)).transpose()?.unwrap_or_default();
    Ok(ObjectOf::<E>::count(ctx, &filter).await?.into())
}

/// Writes the value of a field as JSON. If that fails, the engine resolves the field and reports the error.
pub type WriteField<T> = fn(&T, &mut Vec<u8>) -> serde_json::Result<()>;

/// An object whose scalars can be written as JSON.
pub trait WriteJson: Send + Sync + Sized + 'static {
    /// Returns how to write the field of this name, if it is a scalar that the object holds.
    fn scalar(field: &str) -> Option<WriteField<Self>>;
}

/// An object type whose lists the JSON writer can write.
pub trait Writable: OutputType + WriteJson {
    /// Returns how the writer handles the field of this name, if it is no scalar that the object holds.
    fn writable_edge(field: &str) -> Option<&'static dyn WritableEdge<Self>>;

    /// Whether that edge reads the arguments of the field of this name by itself.
    fn reads_arguments(_field: &str) -> bool {
        false
    }
}

impl<T: Listed> Writable for T {
    fn writable_edge(field: &str) -> Option<&'static dyn WritableEdge<Self>> {
        T::edge(field)
    }
}

/// Writes the objects that an edge leads to from an object.
pub type WriteEdge<T> = Box<dyn Fn(&T, &mut Vec<u8>) + Send + Sync>;

/// An edge that the JSON writer handles.
pub trait WritableEdge<T>: Sync {
    /// Whether the writer handles the selection set `set` on the objects that the edge leads to.
    fn can_write(&self, set: &SelectionSet) -> bool;

    /// Loads and writes what the edge leads to from `objects`.
    fn load<'a>(
        &'a self,
        selection: SelectionContext<'a>,
        objects: &'a [T],
    ) -> BoxFuture<'a, FieldResult<WriteEdge<T>>>;
}

/// A selection set and its position in the response.
#[derive(Clone)]
pub struct SelectionContext<'a> {
    /// The engine's context.
    pub ctx: &'a ContextSelectionSet<'a>,
    /// The selection set.
    pub set: &'a SelectionSet,
    /// The response names on the path to it.
    pub path: Vec<&'a str>,
}

/// Implements [`Listed`] for a type that wraps its row.
macro_rules! listed_as_row {
    ($Type:ident, $Where:ident) => {
        crate::graphql::lists::listed::listed_as_row!($Type, $Where, crate::graphql::lists::filter::FirstSeenOrder);
    };
    ($Type:ident, $Where:ident, $OrderBy:ty) => {
        impl crate::graphql::lists::listed::Exposed for row::Entity {
            type Object = $Type;
        }

        impl crate::graphql::lists::listed::Listed for $Type {
            type Entity = row::Entity;
            type Where = $Where;
            type OrderBy = $OrderBy;

            async fn from_rows(
                _: &async_graphql::Context<'_>,
                rows: Vec<row::Model>,
            ) -> Result<Vec<Self>, crate::error::Error> {
                Ok(rows.into_iter().map(|row| Self(row.into())).collect())
            }

            async fn count(
                ctx: &async_graphql::Context<'_>,
                filter: &entity::filter::Tree<row::Filter>,
            ) -> Result<u64, crate::error::Error> {
                let store = &crate::graphql::state::state_of(ctx).database.store;
                Ok(entity::list::count::<row::Entity>(store, filter).await?)
            }
        }
    };
}
pub(crate) use listed_as_row;
