//! Queries that sessions and execution contexts share. Workers name both by a hash and announce them, before or after the first
//! metric that refers to them.

use std::collections::HashMap;

use sea_orm::{
    DbErr, QueryFilter as _,
    sea_query::{Asterisk, Expr, ExprTrait as _, Func, Query, SelectStatement},
};

use crate::{
    column,
    driver::source::Source,
    filter::Tree,
    list::{self, Order, Position, Slice, SqlListable},
    table::{execution_context, session},
};

/// An entity that is announced.
pub trait Announced: SqlListable {
    /// Whether it never changes which announced rows match `filter`.
    fn is_settled(_filter: &Self::Filter) -> bool {
        true
    }
}

impl Announced for session::Entity {
    /// A session may move to another run, and measure something on another machine.
    fn is_settled(filter: &session::Filter) -> bool {
        filter.run.is_none() && filter.machine.is_none() && filter.machine_class.is_none()
    }
}

impl Announced for execution_context::Entity {}

/// Returns the row with this hash, announced or not.
pub async fn by_hash<E: Announced>(db: &impl Source, hash: &str) -> Result<Option<E::Model>, DbErr> {
    db.find_one(E::find().filter(column::has_digest::<E>(&[hash]))).await
}

/// Returns the hashes of these rows, in one statement. They never change once stored.
pub async fn hashes<E: Announced>(db: &impl Source, ids: &[i64]) -> Result<HashMap<i64, String>, DbErr> {
    let query = Query::select()
        .columns(["id", "hash"])
        .from(E::default())
        .and_where(db.engine().any_of(Expr::col("id"), ids))
        .take();
    Ok(db.all(&query).await?.into_iter().collect())
}

/// Returns page `number` (from 1) of all announced rows, in order of announcement, with `size` rows each.
pub async fn page<E: Announced>(db: &impl Source, number: u64, size: u64) -> Result<Vec<E::Model>, DbErr> {
    // Announcements are numbered without gaps, so the page number gives the first one.
    let before = i64::try_from((number - 1).saturating_mul(size)).unwrap_or(i64::MAX);
    let slice: Slice<E> = Slice {
        filter: Tree::default(),
        order: Order::default(),
        after: Some(Position { key: before, id: i64::MAX }),
        before: None,
        limit: size,
        from_end: false,
    };
    list::rows(db, &slice).await
}

/// Makes `query` select from the rows with announcement numbers after `after`; from all rows, announced or not, if that is 0.
pub(crate) fn select_announced_after<E: Announced>(query: &mut SelectStatement, after: i64) {
    if after == 0 {
        query.from(E::default());
        return;
    }
    let announced = Expr::col((E::default(), "announced"));
    let mut new = Query::select();
    new.column(Asterisk).from(E::default()).and_where(announced.gt(after));
    // The limit prevents the planner from flattening the subquery and reading all rows that match.
    query.from_subquery(new.limit(i64::MAX.unsigned_abs()).take(), E::default().table_name());
}

/// Returns the greatest announcement number, 0 before the first.
pub async fn newest<E: Announced>(db: &impl Source) -> Result<i64, DbErr> {
    db.number(&Query::select().expr_as(Func::max(Expr::col("announced")), "n").from(E::default()).take()).await
}
