//! What an object type must have so that there can be lists of it, and lists that write themselves.

use async_graphql::{Context, ContextSelectionSet, InputType, OutputType, parser::types::SelectionSet};
use entity::{
    filter::Tree,
    list::{self, Noun, Order},
};
use futures_util::future::BoxFuture;
use sea_orm::EntityTrait;

use crate::{
    error::Error,
    graphql::{
        error::FieldResult,
        lists::{filter::Where, page_number::counted},
        state::state_of,
    },
};

/// The row behind a type of the graph.
pub type RowOf<T> = <<T as Listed>::Entity as EntityTrait>::Model;

/// A type of the graph that lists are made of.
pub trait Listed: OutputType + Written {
    /// Its table.
    type Entity: Noun;
    /// Its `where`.
    type Where: InputType + Where<Filter = <Self::Entity as Noun>::Filter>;
    /// Its `orderBy`.
    type OrderBy: InputType + Into<Order<<Self::Entity as Noun>::Sort>>;

    /// Makes graph objects of rows, in their order.
    fn from_rows(ctx: &Context<'_>, rows: Vec<RowOf<Self>>) -> impl Future<Output = Result<Vec<Self>, Error>> + Send;

    /// How lists write the field of this name, where it leads to other objects.
    fn edge(_field: &str) -> Option<&'static dyn Leads<Self>> {
        None
    }

    /// The rows of the page that `number` names, see [`crate::graphql::lists::page_number`], of those that match, `size` each, in
    /// the order in which they came to be known; and how many match.
    fn page(
        ctx: &Context<'_>,
        filter: &Tree<<Self::Entity as Noun>::Filter>,
        number: Option<i64>,
        size: u64,
    ) -> impl Future<Output = Result<(Vec<RowOf<Self>>, u64), Error>> + Send {
        async move {
            let db = &state_of(ctx).database.reader;
            let page = async |number| Ok(list::page::<Self::Entity>(db, filter, number, size).await?);
            counted(Self::count(ctx, filter), page, number, size).await
        }
    }

    /// How many match.
    fn count(
        ctx: &Context<'_>,
        filter: &Tree<<Self::Entity as Noun>::Filter>,
    ) -> impl Future<Output = Result<u64, Error>> + Send;
}

/// A table whose rows are objects of the schema. Lists are declared by table: a parent need not know the type of its children.
pub trait Exposed: Noun {
    /// The type of the objects.
    type Object: Listed<Entity = Self>;
}

/// The object type of a table.
pub type ObjectOf<E> = <E as Exposed>::Object;
/// The `where` of a table's lists.
pub type WhereOf<E> = <ObjectOf<E> as Listed>::Where;
/// The `orderBy` of a table's lists.
pub type OrderByOf<E> = <ObjectOf<E> as Listed>::OrderBy;

/// Writes one value of an object as JSON. What fails is left to the engine, which tells where.
pub type Write<T> = fn(&T, &mut Vec<u8>) -> serde_json::Result<()>;

/// An object that can write what it holds.
pub trait Written: Send + Sync + Sized + 'static {
    /// How to write the field of this name, where the object holds its value.
    fn plain(field: &str) -> Option<Write<Self>>;
}

/// Writes what an edge leads to.
pub type WriteEdge<T> = Box<dyn Fn(&T, &mut Vec<u8>) + Send + Sync>;

/// An edge to objects that can be written.
pub trait Leads<T>: Sync {
    /// Whether `set`, asked of these objects, can be written.
    fn suits(&self, set: &SelectionSet) -> bool;

    /// Reads what `objects` lead to.
    fn follow<'a>(&'a self, place: Place<'a>, objects: &'a [T]) -> BoxFuture<'a, FieldResult<WriteEdge<T>>>;
}

/// What is asked of objects, and where in the answer they stand.
#[derive(Clone)]
pub struct Place<'a> {
    /// The engine's context.
    pub ctx: &'a ContextSelectionSet<'a>,
    /// What is asked.
    pub set: &'a SelectionSet,
    /// The names that lead there.
    pub path: Vec<&'a str>,
}

/// What [`Listed`] says of a type that is its row and nothing else.
macro_rules! listed_as_row {
    ($Type:ident, $Where:ident) => {
        impl crate::graphql::lists::listed::Exposed for row::Entity {
            type Object = $Type;
        }

        impl crate::graphql::lists::listed::Listed for $Type {
            type Entity = row::Entity;
            type Where = $Where;
            type OrderBy = crate::graphql::lists::filter::FirstSeenOrder;

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
                let reader = &crate::graphql::state::state_of(ctx).database.reader;
                Ok(entity::list::count::<row::Entity>(reader, filter).await?)
            }
        }
    };
}
pub(crate) use listed_as_row;
