//! Queries that sessions and execution contexts share. Workers name both by a hash and announce them, before or after the first
//! metric that refers to them.

use std::collections::HashMap;

use sea_orm::{
    DbErr, QueryFilter as _,
    sea_query::{Asterisk, Expr, ExprTrait as _, Query, SelectStatement},
};

use crate::{
    column,
    digest::digest,
    driver::{keys, row::from_row, source::Source},
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

/// Returns all announced rows, in order of announcement.
///
/// # Errors
/// If the database fails.
pub async fn all<E: Announced>(db: &impl Source) -> Result<Vec<E::Model>, DbErr> {
    page::<E>(db, 1, i64::MAX.unsigned_abs()).await
}

/// Hashes that one statement looks up.
const MAX_LOOKED_UP: usize = 500;

/// Returns the keys of those of these hashes that have metrics.
///
/// # Errors
/// If the database fails.
pub async fn measured<E: Announced>(db: &impl Source, hashes: &[&str]) -> Result<Vec<i64>, DbErr> {
    let mut found = Vec::new();
    for part in hashes.chunks(MAX_LOOKED_UP) {
        let digests = part.iter().map(|hash| digest(&[hash]).to_vec());
        let query = Query::select()
            .column("id")
            .from(E::default())
            .and_where(Expr::col("digest").is_in(digests))
            .and_where(Expr::col("metric_count").gt(0))
            .take();
        found.extend(db.all::<i64>(&query).await?);
    }
    Ok(found)
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
///
/// # Errors
/// If the database fails.
pub async fn page<E: Announced>(db: &impl Source, number: u64, size: u64) -> Result<Vec<E::Model>, DbErr> {
    let before = i64::try_from((number - 1).saturating_mul(size)).unwrap_or(i64::MAX);
    let after = if numbers::<E>(db).await?.deleted == 0 {
        // Announcements are numbered without gaps, so the page number gives the first one.
        before
    } else {
        let table = E::default();
        let table = table.table_name();
        let nth = format!("SELECT announced FROM {table} WHERE announced > 0 ORDER BY announced LIMIT 1 OFFSET $1");
        match db.select::<i64, 1>(&nth, [before.into()]).await?.pop() {
            Some(first) => first - 1,
            None => return Ok(Vec::new()),
        }
    };
    let slice: Slice<E> = Slice {
        filter: Tree::default(),
        order: Order::default(),
        after: Some(Position { key: after, id: i64::MAX }),
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

/// The announcement numbers of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numbers {
    /// The greatest one, 0 before the first.
    pub(crate) newest: i64,
    /// How many of them are those of deleted rows.
    pub(crate) deleted: i64,
    /// The number of sessions that were deleted.
    pub(crate) deletions: i64,
}

from_row!(Numbers { newest, deleted, deletions });

/// Returns the announcement numbers.
pub(crate) async fn numbers<E: Announced>(db: &impl Source) -> Result<Numbers, DbErr> {
    let table = E::default();
    let (newest, deleted) =
        (keys::greatest(table.table_name(), "announced"), keys::deleted(table.table_name(), "announced"));
    let select = format!(
        "SELECT COALESCE(({newest}), 0), CAST(({deleted}) AS BIGINT), COALESCE((SELECT deletions FROM history), 0)"
    );
    db.select(&select, []).await?.pop().ok_or_else(|| DbErr::RecordNotFound("announcement numbers".to_owned()))
}
