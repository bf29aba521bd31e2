//! A cache of the announced rows that match a filter. Whether an announced row matches never changes, so only rows that were
//! announced later are read, until sessions are deleted.

use std::sync::Arc;

use quick_cache::{Weighter, sync::Cache};
use sea_orm::{
    DbErr, Order as Direction,
    sea_query::{Expr, ExprTrait as _, Query},
};

use crate::{
    announced::{self, Announced, Numbers},
    digest::{Digest, digest},
    driver::source::Source,
    filter::Tree,
    list,
};

/// Estimated number of cached lists.
const CAPACITY: usize = 1_000;
/// Maximum number of rows in all lists together, at eight bytes each.
const MAX_ROWS: u64 = 2_000_000;

/// Lists by the digest of their filter, since a filter may be as long as a request.
#[derive(Debug)]
pub struct ListCache(Cache<Digest, CachedList, ByLength>);

/// A list of the rows up to one announcement.
#[derive(Debug, Clone, Default)]
struct CachedList {
    /// The number of the last announcement that was read.
    announced: i64,
    ids: Arc<Vec<i64>>,
}

/// Weighs a list by its number of rows.
#[derive(Debug, Clone)]
struct ByLength;

impl Weighter<Digest, CachedList> for ByLength {
    fn weight(&self, _: &Digest, cached: &CachedList) -> u64 {
        cached.ids.len() as u64 + 1
    }
}

impl Default for ListCache {
    fn default() -> Self {
        Self(Cache::with_weighter(CAPACITY, MAX_ROWS, ByLength))
    }
}

impl ListCache {
    /// Returns the keys of the announced rows that match `filter`, in the order of announcement.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn ids<E: Announced>(&self, db: &impl Source, filter: &Tree<E::Filter>) -> Result<Arc<Vec<i64>>, DbErr> {
        let Numbers { newest, deletions, .. } = announced::numbers::<E>(db).await?;
        // After a deletion, lists are read anew.
        let what = digest(&[E::default().table_name(), &format!("{filter:?}"), &deletions.to_string()]);
        let cached = self.0.get(&what).unwrap_or_default();
        // Another request may have read further.
        if newest <= cached.announced {
            return Ok(cached.ids);
        }
        let new = announced_after::<E>(db, filter, cached.announced, newest).await?;
        let ids = if new.is_empty() { cached.ids } else { Arc::new([cached.ids.as_slice(), new.as_slice()].concat()) };
        self.0.insert(what, CachedList { announced: newest, ids: Arc::clone(&ids) });
        Ok(ids)
    }

    /// Returns the number of announced rows that match `filter`.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn count<E: Announced>(&self, db: &impl Source, filter: &Tree<E::Filter>) -> Result<u64, DbErr> {
        if *filter == Tree::default() {
            // Announcements are numbered without gaps, except for those that were deleted.
            let Numbers { newest, deleted, .. } = announced::numbers::<E>(db).await?;
            return Ok((newest - deleted).unsigned_abs());
        }
        Ok(self.ids::<E>(db, filter).await?.len() as u64)
    }
}

/// Returns the keys of the matching rows with announcement numbers after `after`, up to `until`, in that order.
async fn announced_after<E: Announced>(
    db: &impl Source,
    filter: &Tree<E::Filter>,
    after: i64,
    until: i64,
) -> Result<Vec<i64>, DbErr> {
    let number = Expr::col((E::default(), "announced"));
    let mut query = Query::select();
    query.column((E::default(), "id")).cond_where(list::condition::<E>(filter, db.engine()));
    announced::select_announced_after::<E>(&mut query, after);
    query.and_where(number.clone().lte(until)).order_by_expr(number, Direction::Asc);
    db.all(&query).await
}
