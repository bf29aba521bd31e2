//! Feeds of subscriptions. The rows of new commits are read once for all subscribers. Subscribers with the same filter share a
//! feed: a bounded broadcast buffer of the rows that match.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use async_graphql::Context;
use entity::{
    filter::Tree,
    list::{Listable, Order, Position, Slice},
    query::Query as _,
};
use futures_util::{
    Stream, StreamExt as _, future,
    stream::{self, BoxStream},
};
use tokio::task::AbortHandle;

use crate::{
    error::Error,
    graphql::{
        fairness::{Delivery, FairnessGate},
        lists::{
            dataloader::Loaders,
            filter::Where,
            listed::{Listed, RowOf},
        },
        live::broadcast::{Broadcast, Subscriber},
        state::{GraphState, shared_state},
    },
    ingest::Watermark,
};

/// Rows of one read, at most.
const MAX_READ_ROWS: u64 = 500;
/// Pause after a read: what is committed meanwhile is read together.
const READ_INTERVAL: Duration = Duration::from_millis(20);
/// Pause after a read that failed.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// The filter of a list.
pub type FilterOf<T> = <<T as Listed>::Entity as Listable>::Filter;

/// An object type that clients can subscribe to.
pub trait Live: Listed {
    /// The sort key, in order of arrival, of the latest row on disk.
    fn number(watermark: &Watermark) -> i64;

    /// Builds objects of rows, in their order.
    fn objects(
        state: &GraphState,
        loaders: &Loaders,
        rows: Vec<RowOf<Self>>,
    ) -> impl Future<Output = Result<Vec<Self>, Error>> + Send;

    /// Whether the object matches; `None` if only the database can decide.
    fn matches(&self, filter: &FilterOf<Self>) -> Option<bool>;
}

/// The feeds of an object type, by filter.
pub struct Feeds<T: Live> {
    registry: Arc<Mutex<Registry<T>>>,
    fairness: FairnessGate,
    /// Events that are kept for a slow subscriber, at most.
    capacity: usize,
}

impl<T: Live> Clone for Feeds<T> {
    fn clone(&self) -> Self {
        Self { registry: Arc::clone(&self.registry), fairness: self.fairness.clone(), capacity: self.capacity }
    }
}

/// The feeds that have subscribers, and the task that reads for them.
struct Registry<T: Live> {
    by_filter: HashMap<String, Weak<Feed<T>>>,
    reader: Option<AbortHandle>,
}

/// The position of a row: which history it belongs to, and its sort key there.
type Sequence = (u64, i64);
/// Rows with their positions, in order of arrival.
type Events<T> = Broadcast<(Sequence, Arc<T>)>;
/// A subscriber of a feed.
pub type FeedSubscriber<T> = Subscriber<(Sequence, Arc<T>), Feed<T>>;

/// The events of all subscribers with the same filter. It is dropped with the last of them.
pub struct Feed<T: Live> {
    events: Events<T>,
    filter: Tree<FilterOf<T>>,
    /// The key in the registry.
    key: String,
    registry: Arc<Mutex<Registry<T>>>,
}

/// The position of the last row on disk.
fn last<T: Live>(watermark: &Watermark) -> Sequence {
    (watermark.history, T::number(watermark))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: Live> AsRef<Events<T>> for Feed<T> {
    fn as_ref(&self) -> &Events<T> {
        &self.events
    }
}

impl<T: Live> Drop for Feed<T> {
    fn drop(&mut self) {
        let mut registry = lock(&self.registry);
        // A new feed may have replaced this one.
        if registry.by_filter.get(&self.key).is_some_and(|feed| feed.strong_count() == 0) {
            registry.by_filter.remove(&self.key);
        }
        if registry.by_filter.is_empty()
            && let Some(reader) = registry.reader.take()
        {
            reader.abort();
        }
    }
}

impl<T: Live> Feeds<T> {
    /// Builds an empty registry. `capacity`: events kept per slow subscriber.
    pub fn new(capacity: usize, fairness: FairnessGate) -> Self {
        Self {
            registry: Arc::new(Mutex::new(Registry { by_filter: HashMap::new(), reader: None })),
            fairness,
            capacity,
        }
    }

    /// Subscribes to rows that match `filter` and are committed from now on. A few that were committed just before may come too.
    pub fn subscribe(&self, state: &Arc<GraphState>, filter: Tree<FilterOf<T>>) -> FeedSubscriber<T> {
        // Filters are equal if their debug texts are.
        let key = format!("{filter:?}");
        let mut registry = lock(&self.registry);
        let feed = registry.by_filter.get(&key).and_then(Weak::upgrade).unwrap_or_else(|| {
            let (events, of_feed) = (Broadcast::new(self.capacity), Arc::clone(&self.registry));
            let feed = Arc::new(Feed { events, filter, key: key.clone(), registry: of_feed });
            registry.by_filter.insert(key, Arc::downgrade(&feed));
            feed
        });
        registry.reader.get_or_insert_with(|| {
            let seen = last::<T>(&state.ingest.watermark().borrow());
            let guard = CloseOnPanic(Arc::clone(&self.registry));
            tokio::spawn(read_commits(Arc::clone(state), self.fairness.clone(), guard, seen)).abort_handle()
        });
        // A feed that is dropped takes the same lock.
        drop(registry);
        Broadcast::subscribe(feed)
    }
}

impl<T: Live> Registry<T> {
    fn feeds(&self) -> Vec<Arc<Feed<T>>> {
        self.by_filter.values().filter_map(Weak::upgrade).collect()
    }
}

/// Closes all feeds if their reader panics: their subscribers would wait forever.
struct CloseOnPanic<T: Live>(Arc<Mutex<Registry<T>>>);

impl<T: Live> Drop for CloseOnPanic<T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let feeds = {
                let mut registry = lock(&self.0);
                registry.reader = None;
                registry.feeds()
            };
            for feed in feeds {
                feed.events.close();
            }
        }
    }
}

/// Reads the new rows after each commit, until the committer ends.
async fn read_commits<T: Live>(
    state: Arc<GraphState>,
    fairness: FairnessGate,
    guard: CloseOnPanic<T>,
    mut seen: Sequence,
) {
    let mut watermark = state.ingest.watermark();
    let feeds = || lock(&guard.0).feeds();
    while let Ok(now) = watermark.wait_for(|now| last::<T>(now) > seen).await.map(|now| *now) {
        if now.history > seen.0 {
            seen = last::<T>(&now.begun());
            continue;
        }
        // Collected before the read: a feed that is added meanwhile must not get rows from before.
        let feeds = feeds();
        match fairness.read(Batch::read(&state, seen, T::number(&now), &feeds)).await {
            Ok(batch) => {
                seen.1 = batch.last;
                for (feed, events) in feeds.iter().zip(batch.events) {
                    feed.events.push(events);
                }
            }
            // No row is lost: `seen` stays, so the next read covers the same rows.
            Err(_) => tokio::time::sleep(RETRY_INTERVAL).await,
        }
        drop(feeds);
        tokio::time::sleep(READ_INTERVAL).await;
    }
    for feed in feeds() {
        feed.events.close();
    }
}

/// The result of one read.
struct Batch<T> {
    /// The events of each feed.
    events: Vec<Vec<(Sequence, Arc<T>)>>,
    /// The sort key up to which every row has been read.
    last: i64,
}

impl<T: Live> Batch<T> {
    /// Reads the next rows after `seen`, up to the sort key `newest`, and assigns them to the feeds that they match.
    async fn read(state: &GraphState, seen: Sequence, newest: i64, feeds: &[Arc<Feed<T>>]) -> Result<Self, Error> {
        let db = &state.database.store;
        let slice: Slice<T::Entity> = Slice {
            filter: Tree::default(),
            order: Order::default(),
            after: Some(Position { key: seen.1, id: i64::MAX }),
            before: Some(Position { key: newest.saturating_add(1), id: i64::MIN }),
            limit: MAX_READ_ROWS,
            from_end: false,
        };
        let rows = T::Entity::rows(db, &slice).await?;
        let keys: Vec<(i64, i64)> =
            rows.iter().map(|row| (T::Entity::id(row), T::Entity::sort_key(slice.order.by, row))).collect();
        let is_all = (rows.len() as u64) < MAX_READ_ROWS;
        let last = if is_all { newest } else { keys.last().map_or(newest, |(_, number)| *number) };
        let loaders = Loaders::new(db.clone());
        let objects = loaders.driver().drive(T::objects(state, &loaders, rows)).await?;
        let objects: Vec<Arc<T>> = objects.into_iter().map(Arc::new).collect();
        let mut events = Vec::with_capacity(feeds.len());
        for feed in feeds {
            // Yields now and then: there may be thousands of feeds.
            tokio::task::consume_budget().await;
            let matches: Vec<Option<bool>> =
                objects.iter().map(|object| feed.filter.matches(&|own| object.matches(own))).collect();
            let undecided = keys.iter().zip(&matches).filter(|(_, is_match)| is_match.is_none());
            let undecided: Vec<i64> = undecided.map(|((id, _), _)| *id).collect();
            let found = T::Entity::matching(db, &feed.filter, &undecided).await?;
            let matching = keys.iter().zip(&objects).zip(matches);
            let matching = matching.filter(|(((id, _), _), is_match)| is_match.unwrap_or_else(|| found.contains(id)));
            events.push(matching.map(|(((_, number), object), _)| ((seen.0, *number), Arc::clone(object))).collect());
        }
        Ok(Self { events, last })
    }
}

/// Streams the objects that are committed from now on and match `filter`, in order of arrival.
///
/// # Errors
/// Those of [`Where::check`].
pub fn follow<T: Live>(
    ctx: &Context<'_>,
    filter: Option<T::Where>,
) -> Result<impl Stream<Item = Arc<T>> + use<T>, Error> {
    let filter = filter.map(|filter| filter.check(ctx)).transpose()?.unwrap_or_default();
    let state = shared_state(ctx);
    let events = ctx.data_unchecked::<Feeds<T>>().subscribe(state, filter);
    // A read that is running may still push rows from before.
    let start = last::<T>(&state.ingest.watermark().borrow());
    let events = stream::unfold(events, async |mut events| Some((events.next().await?, events)));
    let events = events.filter(move |((sequence, _), _)| future::ready(*sequence > start));
    Ok(with_fairness(ctx, events.map(|((_, object), missed)| (object, missed))))
}

/// Delays each event until it may be executed. Each comes with the number of events that were dropped before it.
pub fn with_fairness<T: Send + 'static>(
    ctx: &Context<'_>,
    events: impl Stream<Item = (T, u64)> + Send + 'static,
) -> BoxStream<'static, T> {
    let (delivery, fairness) = (ctx.data_unchecked::<Delivery>().clone(), ctx.data_unchecked::<FairnessGate>().clone());
    let events = events.then(move |(event, missed)| {
        let (delivery, fairness) = (delivery.clone(), fairness.clone());
        async move {
            fairness.start(&delivery, missed).await;
            event
        }
    });
    events.boxed()
}
