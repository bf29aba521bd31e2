//! Queries for lists. Most tables are read by SQL ([`crate::list`]); metrics are read from the history ([`crate::history`]).

pub mod check;
pub mod comparison;
pub mod groups;
pub mod metrics;
pub mod names;
pub mod points;
mod removal;
pub mod runs;
mod store;
pub mod stored;

use std::collections::{HashMap, HashSet};

use sea_orm::DbErr;

use crate::{
    filter::Tree,
    list::{self, Edge, Listable, Slice},
    table::{
        audit_record, branch, build, component, execution_context, item, machine_class, pipeline, project, run,
        session, tag, variant,
    },
};
pub use removal::Removal;
pub use store::Store;

/// What a query returns.
type Rows<E> = Vec<<E as sea_orm::EntityTrait>::Model>;

/// An entity whose lists can be queried.
pub trait Query: Listable {
    /// Returns the rows of `slice`.
    fn rows(db: &Store, slice: &Slice<Self>) -> impl Future<Output = Result<Rows<Self>, DbErr>> + Send;

    /// Returns the rows of `slice` under each of `parents`. Parents without rows may be absent.
    fn rows_under(
        db: &Store,
        edge: Edge<Self>,
        parents: &[i64],
        slice: &Slice<Self>,
    ) -> impl Future<Output = Result<HashMap<i64, Rows<Self>>, DbErr>> + Send;

    /// Returns the number of rows under each of `parents` that match `filter`. Parents without rows may be absent.
    fn counts_under(
        db: &Store,
        edge: Edge<Self>,
        parents: &[i64],
        filter: &Tree<Self::Filter>,
    ) -> impl Future<Output = Result<HashMap<i64, u64>, DbErr>> + Send;

    /// Returns the rows with these keys. Keys without a row are absent.
    fn by_ids(db: &Store, ids: &[i64]) -> impl Future<Output = Result<HashMap<i64, Self::Model>, DbErr>> + Send;

    /// Returns which of the rows with these keys match `filter`.
    fn matching(
        db: &Store,
        filter: &Tree<Self::Filter>,
        ids: &[i64],
    ) -> impl Future<Output = Result<HashSet<i64>, DbErr>> + Send;

    /// Returns page `number` (from 1) of the rows that match, in order of arrival, with `size` rows each.
    fn page(
        db: &Store,
        filter: &Tree<Self::Filter>,
        number: u64,
        size: u64,
    ) -> impl Future<Output = Result<Rows<Self>, DbErr>> + Send;
}

macro_rules! query_by_sql {
    ($($table:ident)*) => {
        $(impl Query for $table::Entity {
            async fn rows(db: &Store, slice: &Slice<Self>) -> Result<Rows<Self>, DbErr> {
                list::rows(db, slice).await
            }

            async fn rows_under(
                db: &Store,
                edge: Edge<Self>,
                parents: &[i64],
                slice: &Slice<Self>,
            ) -> Result<HashMap<i64, Rows<Self>>, DbErr> {
                list::rows_under(db, edge, parents, slice).await
            }

            async fn counts_under(
                db: &Store,
                edge: Edge<Self>,
                parents: &[i64],
                filter: &Tree<Self::Filter>,
            ) -> Result<HashMap<i64, u64>, DbErr> {
                list::counts_under(db, edge, parents, filter).await
            }

            async fn by_ids(db: &Store, ids: &[i64]) -> Result<HashMap<i64, Self::Model>, DbErr> {
                list::by_ids::<Self>(db, ids).await
            }

            async fn matching(db: &Store, filter: &Tree<Self::Filter>, ids: &[i64]) -> Result<HashSet<i64>, DbErr> {
                list::matching::<Self>(db, filter, ids).await
            }

            async fn page(
                db: &Store,
                filter: &Tree<Self::Filter>,
                number: u64,
                size: u64,
            ) -> Result<Rows<Self>, DbErr> {
                list::page::<Self>(db, filter, number, size).await
            }
        })*
    };
}
query_by_sql!(audit_record branch build component execution_context item machine_class pipeline project run session tag variant);
