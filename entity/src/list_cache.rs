//! A cache of the announced rows that match a filter. An announced row never changes what it matches, so only rows that were announced
//! since are checked.

use std::sync::Arc;

use quick_cache::{Weighter, sync::Cache};
use sea_orm::{
    DbErr, Order as Direction,
    sea_query::{ExprTrait as _, Query},
};

use crate::{
    announced::{self, Announced},
    column,
    digest::{Digest, digest},
    driver::source::Source,
    filter::Tree,
    list::{self, Order},
};

/// The approximate number of lists.
const CAPACITY: usize = 1_000;
/// The maximum number of rows in all lists together, eight bytes each.
const MAX_CACHED_ROWS: u64 = 2_000_000;

/// Lists by the digest of their filter, which may be as long as a request.
#[derive(Debug)]
pub struct ListCache(Cache<Digest, CachedList, Rows>);

/// A list, as far as rows were announced up to a number.
#[derive(Debug, Clone, Default)]
struct CachedList {
    announced: i64,
    ids: Arc<Vec<i64>>,
}

#[derive(Debug, Clone)]
struct Rows;

impl Weighter<Digest, CachedList> for Rows {
    fn weight(&self, _: &Digest, cached: &CachedList) -> u64 {
        cached.ids.len() as u64 + 1
    }
}

impl Default for ListCache {
    fn default() -> Self {
        Self(Cache::with_weighter(CAPACITY, MAX_CACHED_ROWS, Rows))
    }
}

impl ListCache {
    /// The keys of the announced rows that match `filter`, in the order of announcement.
    ///
    /// # Errors
    /// The database's.
    pub async fn ids<E: Announced>(&self, db: &impl Source, filter: &Tree<E::Filter>) -> Result<Arc<Vec<i64>>, DbErr> {
        let newest = announced::newest::<E>(db).await?;
        self.ids_up_to::<E>(db, filter, newest).await
    }

    /// The same, where `newest` is the greatest number of an announcement. Later ones may be among them.
    pub(crate) async fn ids_up_to<E: Announced>(
        &self,
        db: &impl Source,
        filter: &Tree<E::Filter>,
        newest: i64,
    ) -> Result<Arc<Vec<i64>>, DbErr> {
        let what = digest(&[E::default().table_name(), &format!("{filter:?}")]);
        let cached = self.0.get(&what).unwrap_or_default();
        // A concurrent request may have cached later rows.
        if newest <= cached.announced {
            return Ok(cached.ids);
        }
        let new = announced_since::<E>(db, filter, cached.announced, newest).await?;
        let ids = if new.is_empty() { cached.ids } else { Arc::new([cached.ids.as_slice(), new.as_slice()].concat()) };
        self.0.insert(what, CachedList { announced: newest, ids: Arc::clone(&ids) });
        Ok(ids)
    }

    /// How many announced rows match `filter`.
    ///
    /// # Errors
    /// The database's.
    pub async fn count<E: Announced>(&self, db: &impl Source, filter: &Tree<E::Filter>) -> Result<u64, DbErr> {
        if *filter == Tree::default() {
            // Announcements are numbered without gaps: the greatest number is the count.
            return Ok(announced::newest::<E>(db).await?.unsigned_abs());
        }
        Ok(self.ids::<E>(db, filter).await?.len() as u64)
    }
}

/// Returns the keys of the matching rows that were announced after number `after`, up to `until`, in that order.
async fn announced_since<E: Announced>(
    db: &impl Source,
    filter: &Tree<E::Filter>,
    after: i64,
    until: i64,
) -> Result<Vec<i64>, DbErr> {
    let number = column::of(E::sort_column(Order::default().by));
    let mut query = Query::select();
    query.column((E::default(), "id")).cond_where(list::condition::<E>(filter, db.engine()));
    announced::from_those_since::<E>(&mut query, after);
    query.and_where(number.clone().lte(until)).order_by_expr(number, Direction::Asc);
    db.all(&query).await
}
