//! What subscribers hear: rows read back after their commit, so that a filter means the same as in a list, and whoever is slow
//! misses nothing.

use std::collections::VecDeque;

use async_graphql::Context;
use entity::{
    filter::Tree,
    list::{self, Noun, Order, Position, Slice},
};
use futures_util::{Stream, stream};
use tokio::sync::watch;

use super::{Answer, filter::Where, loaders_of, paging::Listed, served};
use crate::{error::Error, ingest::Latest};

/// Rows read at a time.
const AT_ONCE: u64 = 500;

/// Everything that comes to be known from now on, in the order of its number: `number` tells the latest, which is the sort key of
/// the noun's own order.
pub fn follow<'a, T: Listed>(
    ctx: &'a Context<'a>,
    filter: Option<T::Where>,
    number: fn(&Latest) -> i64,
) -> Result<impl Stream<Item = Answer<T>> + 'a, Error> {
    let filter = filter.map(Where::check).transpose()?.unwrap_or_default();
    let latest = served(ctx).ingest.latest();
    let seen = number(&latest.borrow());
    let follower = Follower::<T> { filter, latest, number, seen, waiting: VecDeque::new(), has_failed: false };
    Ok(stream::unfold(follower, async |mut follower| {
        let next = follower.next(ctx).await?;
        Some((next, follower))
    }))
}

struct Follower<T: Listed> {
    filter: Tree<<T::Entity as Noun>::Filter>,
    latest: watch::Receiver<Latest>,
    number: fn(&Latest) -> i64,
    /// Everything up to this number has been read.
    seen: i64,
    waiting: VecDeque<T>,
    has_failed: bool,
}

impl<T: Listed> Follower<T> {
    /// The next object; `None` when the server stops.
    async fn next(&mut self, ctx: &Context<'_>) -> Option<Answer<T>> {
        loop {
            if let Some(object) = self.waiting.pop_front() {
                return Some(Ok(object));
            }
            let number = self.number;
            let seen = self.seen;
            let known = number(&*self.latest.wait_for(|latest| number(latest) > seen).await.ok()?);
            if self.has_failed {
                return None;
            }
            if let Err(error) = self.read(ctx, known).await {
                // Whoever goes on from here would miss rows without knowing.
                self.has_failed = true;
                return Some(Err(error.into()));
            }
        }
    }

    /// Reads on, up to `known`.
    async fn read(&mut self, ctx: &Context<'_>, known: i64) -> Result<(), Error> {
        let slice: Slice<T::Entity> = Slice {
            filter: self.filter.clone(),
            order: Order::default(),
            after: Some(Position { key: self.seen, id: i64::MAX }),
            before: Some(Position { key: known + 1, id: i64::MIN }),
            limit: AT_ONCE,
            from_end: false,
        };
        let rows = list::rows(&served(ctx).database.reader, &slice).await?;
        let is_all = (rows.len() as u64) < AT_ONCE;
        let last = rows.last().map(|row| T::Entity::sort_key(slice.order.by, row));
        self.seen = if is_all { known } else { last.unwrap_or(known) };
        self.waiting = loaders_of(ctx).driver().drive(T::from_rows(ctx, rows)).await?.into();
        Ok(())
    }
}
