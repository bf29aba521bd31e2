//! What subscribers hear. The rows of new commits are read once, however many listen; those with the same filter share a feed, and take
//! what matches it from a bounded buffer.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use async_graphql::Context;
use entity::{
    filter::Tree,
    list::{self, Noun, Order, Position, Slice},
};
use futures_util::{
    Stream, StreamExt as _, future,
    stream::{self, BoxStream},
};
use tokio::task::AbortHandle;

use crate::{
    error::Error,
    graphql::{
        fairness::{Hearing, Turns},
        lists::{
            dataloader::Loaders,
            filter::Where,
            listed::{Listed, RowOf},
        },
        live::broadcast::{Reader, Ring},
        state::{GraphState, shared_state},
    },
    ingest::Watermark,
};

/// Rows read at a time.
const AT_ONCE: u64 = 500;
/// Between two reads: what is committed meanwhile is read together.
const REST: Duration = Duration::from_millis(20);
/// After a read that failed.
const AGAIN: Duration = Duration::from_secs(1);

/// What the lists of a noun can be narrowed by.
pub type FilterOf<T> = <<T as Listed>::Entity as Noun>::Filter;

/// A noun that one can hear of.
pub trait Live: Listed {
    /// The latest on disk: the sort key of the noun's own order.
    fn number(latest: &Watermark) -> i64;

    /// Makes graph objects of rows, in their order.
    fn objects(
        served: &GraphState,
        loaders: &Loaders,
        rows: Vec<RowOf<Self>>,
    ) -> impl Future<Output = Result<Vec<Self>, Error>> + Send;

    /// Whether it matches; `None` where only the database can tell.
    fn matches(&self, filter: &FilterOf<Self>) -> Option<bool>;
}

/// The feeds of a noun, by what they are narrowed to.
pub struct Feeds<T: Live> {
    listening: Arc<Mutex<Listening<T>>>,
    turns: Turns,
    /// Events that may wait for a slow subscriber.
    most: usize,
}

impl<T: Live> Clone for Feeds<T> {
    fn clone(&self) -> Self {
        Self { listening: Arc::clone(&self.listening), turns: self.turns.clone(), most: self.most }
    }
}

/// Those who listen, and what reads for them.
struct Listening<T: Live> {
    by_filter: HashMap<String, Weak<Feed<T>>>,
    reading: Option<AbortHandle>,
}

/// Where a row stands: which history it is of, and its number there.
type Place = (u64, i64);
/// Rows with their places, as they come.
type Events<T> = Ring<(Place, Arc<T>)>;
/// One who listens.
pub type Listener<T> = Reader<(Place, Arc<T>), Feed<T>>;

/// What all subscribers with the same filter hear. It ends with the last of them.
pub struct Feed<T: Live> {
    events: Events<T>,
    filter: Tree<FilterOf<T>>,
    /// The filter as text.
    name: String,
    among: Arc<Mutex<Listening<T>>>,
}

/// The last place of all that is on disk.
fn last<T: Live>(latest: &Watermark) -> Place {
    (latest.history, T::number(latest))
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
        let mut listening = lock(&self.among);
        // Another one may have taken its place.
        if listening.by_filter.get(&self.name).is_some_and(|feed| feed.strong_count() == 0) {
            listening.by_filter.remove(&self.name);
        }
        if listening.by_filter.is_empty()
            && let Some(reading) = listening.reading.take()
        {
            reading.abort();
        }
    }
}

impl<T: Live> Feeds<T> {
    /// No feeds yet; each will hold so many events for those who are slow.
    pub fn new(most: usize, turns: Turns) -> Self {
        Self { listening: Arc::new(Mutex::new(Listening { by_filter: HashMap::new(), reading: None })), turns, most }
    }

    /// A listener to what matches `filter` and comes to be known from now on, or came just before.
    pub fn listen(&self, served: &Arc<GraphState>, filter: Tree<FilterOf<T>>) -> Listener<T> {
        // Filters are the same when they read the same.
        let name = format!("{filter:?}");
        let mut listening = lock(&self.listening);
        let feed = listening.by_filter.get(&name).and_then(Weak::upgrade).unwrap_or_else(|| {
            let (events, among) = (Ring::new(self.most), Arc::clone(&self.listening));
            let feed = Arc::new(Feed { events, filter, name: name.clone(), among });
            listening.by_filter.insert(name, Arc::downgrade(&feed));
            feed
        });
        listening.reading.get_or_insert_with(|| {
            let seen = last::<T>(&served.ingest.watermark().borrow());
            let reading = Reading(Arc::clone(&self.listening));
            tokio::spawn(read_on(Arc::clone(served), self.turns.clone(), reading, seen)).abort_handle()
        });
        // A feed that ends here takes the same lock.
        drop(listening);
        Ring::read(feed)
    }
}

impl<T: Live> Listening<T> {
    fn feeds(&self) -> Vec<Arc<Feed<T>>> {
        self.by_filter.values().filter_map(Weak::upgrade).collect()
    }
}

/// Ends all feeds where what reads for them panics: nobody waits for what does not come.
struct Reading<T: Live>(Arc<Mutex<Listening<T>>>);

impl<T: Live> Drop for Reading<T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let feeds = {
                let mut listening = lock(&self.0);
                listening.reading = None;
                listening.feeds()
            };
            for feed in feeds {
                feed.events.close();
            }
        }
    }
}

/// Reads on after each commit, until the committer ends.
async fn read_on<T: Live>(served: Arc<GraphState>, turns: Turns, reading: Reading<T>, mut seen: Place) {
    let mut latest = served.ingest.watermark();
    let feeds = || lock(&reading.0).feeds();
    while let Ok(known) = latest.wait_for(|latest| last::<T>(latest) > seen).await.map(|latest| *latest) {
        if known.history > seen.0 {
            seen = last::<T>(&known.begun());
            continue;
        }
        // Before it is read, so that whoever joins meanwhile hears nothing from before.
        let feeds = feeds();
        match turns.take(Batch::read(&served, seen, T::number(&known), &feeds)).await {
            Ok(batch) => {
                seen.1 = batch.last;
                for (feed, events) in feeds.iter().zip(batch.events) {
                    feed.events.push(events);
                }
            }
            // Nothing is lost: the same rows are read again.
            Err(_) => tokio::time::sleep(AGAIN).await,
        }
        drop(feeds);
        tokio::time::sleep(REST).await;
    }
    for feed in feeds() {
        feed.events.close();
    }
}

/// What was read at once.
struct Batch<T> {
    /// For each feed what it is to be told.
    events: Vec<Vec<(Place, Arc<T>)>>,
    /// The number up to which nothing is missing.
    last: i64,
}

impl<T: Live> Batch<T> {
    /// The next rows behind `seen`, up to the number `known` at most, as far as these feeds ask for them.
    async fn read(served: &GraphState, seen: Place, known: i64, feeds: &[Arc<Feed<T>>]) -> Result<Self, Error> {
        let db = &served.database.reader;
        let slice: Slice<T::Entity> = Slice {
            filter: Tree::default(),
            order: Order::default(),
            after: Some(Position { key: seen.1, id: i64::MAX }),
            before: Some(Position { key: known.saturating_add(1), id: i64::MIN }),
            limit: AT_ONCE,
            from_end: false,
        };
        let rows = list::rows(db, &slice).await?;
        let places: Vec<(i64, i64)> =
            rows.iter().map(|row| (T::Entity::id(row), T::Entity::sort_key(slice.order.by, row))).collect();
        let is_all = (rows.len() as u64) < AT_ONCE;
        let last = if is_all { known } else { places.last().map_or(known, |(_, number)| *number) };
        let loaders = Loaders::new(db.clone());
        let objects = loaders.driver().drive(T::objects(served, &loaders, rows)).await?;
        let objects: Vec<Arc<T>> = objects.into_iter().map(Arc::new).collect();
        let mut events = Vec::with_capacity(feeds.len());
        for feed in feeds {
            // There may be thousands of feeds.
            tokio::task::consume_budget().await;
            let told: Vec<Option<bool>> =
                objects.iter().map(|object| feed.filter.matches(&|own| object.matches(own))).collect();
            let open = places.iter().zip(&told).filter(|(_, told)| told.is_none());
            let open: Vec<i64> = open.map(|((id, _), _)| *id).collect();
            let found = list::matching::<T::Entity>(db, &feed.filter, &open).await?;
            let heard = places.iter().zip(&objects).zip(told);
            let heard = heard.filter(|(((id, _), _), told)| told.unwrap_or_else(|| found.contains(id)));
            events.push(heard.map(|(((_, number), object), _)| ((seen.0, *number), Arc::clone(object))).collect());
        }
        Ok(Self { events, last })
    }
}

/// Everything that comes to be known from now on, in the order of its number.
pub fn follow<T: Live>(
    ctx: &Context<'_>,
    filter: Option<T::Where>,
) -> Result<impl Stream<Item = Arc<T>> + use<T>, Error> {
    let filter = filter.map(Where::check).transpose()?.unwrap_or_default();
    let served = shared_state(ctx);
    let events = ctx.data_unchecked::<Feeds<T>>().listen(served, filter);
    // What is being read may have some way to go until now.
    let from = last::<T>(&served.ingest.watermark().borrow());
    let events = stream::unfold(events, async |mut events| Some((events.next().await?, events)));
    let events = events.filter(move |((place, _), _)| future::ready(*place > from));
    Ok(in_turn(ctx, events.map(|((_, object), lost)| (object, lost))))
}

/// Events that are answered in turn, each with the number of those that were lost before it.
pub fn in_turn<T: Send + 'static>(
    ctx: &Context<'_>,
    events: impl Stream<Item = (T, u64)> + Send + 'static,
) -> BoxStream<'static, T> {
    let (hearing, turns) = (ctx.data_unchecked::<Hearing>().clone(), ctx.data_unchecked::<Turns>().clone());
    let events = events.then(move |(event, lost)| {
        let (hearing, turns) = (hearing.clone(), turns.clone());
        async move {
            turns.begin(&hearing, lost).await;
            event
        }
    });
    events.boxed()
}
