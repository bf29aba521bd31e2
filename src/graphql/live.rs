//! What subscribers hear. One feed for each filter reads the rows of new commits once, whoever many listen, so that a filter means the
//! same as in a list; its subscribers take them from a bounded buffer.

use std::{
    collections::HashMap,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use async_graphql::Context;
use entity::{
    filter::Tree,
    list::{self, Noun, Order, Position, Slice},
};
use futures_util::{Stream, stream};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::AbortHandle,
};

use super::{
    Served,
    filter::Where,
    loaders::Loaders,
    paging::{Listed, RowOf},
    ring::{Reader, Ring},
    shared,
};
use crate::{error::Error, ingest::Latest};

/// Rows read at a time.
const AT_ONCE: u64 = 500;
/// Between two reads of a feed: what is committed meanwhile is read together.
const REST: Duration = Duration::from_millis(20);
/// After a read that failed.
const AGAIN: Duration = Duration::from_secs(1);

/// A noun that one can hear of.
pub trait Live: Listed {
    /// The latest on disk: the sort key of the noun's own order.
    fn number(latest: &Latest) -> i64;

    /// Its feeds.
    fn feeds(served: &Served) -> &Feeds<Self>;

    /// Makes graph objects of rows, in their order.
    fn objects(
        served: &Served,
        loaders: &Loaders,
        rows: Vec<RowOf<Self>>,
    ) -> impl Future<Output = Result<Vec<Self>, Error>> + Send;
}

/// What a subscriber's stream and those who write its answers tell each other.
#[derive(Debug, Clone, Default)]
pub struct Hearing(Arc<Heard>);

#[derive(Debug, Default)]
struct Heard {
    /// Events lost, and not told of yet.
    missed: AtomicU64,
    /// Held while an event is answered.
    place: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Hearing {
    fn begin(&self, missed: u64, place: Option<OwnedSemaphorePermit>) {
        self.0.missed.fetch_add(missed, Ordering::Relaxed);
        *lock(&self.0.place) = place;
    }

    /// The event is answered: gives its place to others, and tells how many were lost before it.
    pub fn answered(&self) -> u64 {
        lock(&self.0.place).take();
        self.0.missed.swap(0, Ordering::Relaxed)
    }
}

/// What all subscribers together may do at a time, so that those who ask and store need not wait for them.
#[derive(Debug, Clone)]
pub struct Turns {
    reading: Arc<tokio::sync::Mutex<Duration>>,
    answering: Arc<Semaphore>,
}

/// Time that may be owed before it is rested: timers know no less than a millisecond.
const OWED: Duration = Duration::from_millis(5);

impl Default for Turns {
    /// Answering keeps half of the processors busy, at most.
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self { reading: Arc::default(), answering: Arc::new(Semaphore::new((processors / 2).max(1))) }
    }
}

impl Turns {
    /// Reads when it is its turn: one at a time, and for at most half of the time.
    pub async fn take<T>(&self, read: impl Future<Output = T>) -> T {
        let mut owed = self.reading.lock().await;
        if *owed > OWED {
            tokio::time::sleep(*owed).await;
            *owed = Duration::ZERO;
        }
        let began = Instant::now();
        let answer = read.await;
        *owed += began.elapsed();
        answer
    }

    /// A place among those who answer an event.
    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.answering).acquire_owned().await.ok()
    }
}

/// The feeds of a noun, by what they are narrowed to.
pub struct Feeds<T> {
    by_filter: Arc<Mutex<HashMap<String, Weak<Feed<T>>>>>,
    /// Events that may wait for a slow subscriber.
    most: usize,
}

/// Rows with their numbers, as they come.
type Events<T> = Ring<(i64, Arc<T>)>;

/// What all subscribers with the same filter hear. It ends with the last of them.
struct Feed<T> {
    events: Events<T>,
    reading: OnceLock<AbortHandle>,
    filter: String,
    among: Arc<Mutex<HashMap<String, Weak<Feed<T>>>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> AsRef<Events<T>> for Feed<T> {
    fn as_ref(&self) -> &Events<T> {
        &self.events
    }
}

impl<T> Drop for Feed<T> {
    fn drop(&mut self) {
        if let Some(reading) = self.reading.get() {
            reading.abort();
        }
        let mut feeds = lock(&self.among);
        // Another one may have taken its place.
        if feeds.get(&self.filter).is_some_and(|feed| feed.strong_count() == 0) {
            feeds.remove(&self.filter);
        }
    }
}

impl<T: Live> Feeds<T> {
    /// No feeds yet; each will hold so many events for those who are slow.
    pub fn new(most: usize) -> Self {
        Self { by_filter: Arc::default(), most }
    }

    /// A reader of the feed of what matches `filter`, which begins when there is none.
    fn listen(
        &self,
        served: &Arc<Served>,
        filter: Tree<<T::Entity as Noun>::Filter>,
    ) -> Reader<(i64, Arc<T>), Feed<T>> {
        // Filters are the same when they read the same.
        let text = format!("{filter:?}");
        let mut feeds = lock(&self.by_filter);
        let feed = feeds.get(&text).and_then(Weak::upgrade).unwrap_or_else(|| {
            let (events, among) = (Ring::new(self.most), Arc::clone(&self.by_filter));
            let feed = Arc::new(Feed { events, reading: OnceLock::new(), filter: text.clone(), among });
            let seen = T::number(&served.ingest.latest().borrow());
            let reading = tokio::spawn(feed_on(Arc::clone(served), Arc::downgrade(&feed), filter, seen));
            feed.reading.get_or_init(|| reading.abort_handle());
            feeds.insert(text, Arc::downgrade(&feed));
            feed
        });
        // A feed that ends here takes the same lock.
        drop(feeds);
        Ring::read(feed)
    }
}

/// Reads on after each commit, until the committer ends.
async fn feed_on<T: Live>(
    served: Arc<Served>,
    feed: Weak<Feed<T>>,
    filter: Tree<<T::Entity as Noun>::Filter>,
    mut seen: i64,
) {
    let mut latest = served.ingest.latest();
    loop {
        let Ok(known) = latest.wait_for(|latest| T::number(latest) > seen).await.map(|latest| T::number(&latest))
        else {
            break;
        };
        match served.turns.take(read_on::<T>(&served, &filter, seen, known)).await {
            Ok((events, last)) => {
                seen = last;
                let Some(feed) = feed.upgrade() else { return };
                feed.events.push(events);
            }
            // Nothing is lost: the same rows are read again.
            Err(_) => tokio::time::sleep(AGAIN).await,
        }
        tokio::time::sleep(REST).await;
    }
    if let Some(feed) = feed.upgrade() {
        feed.events.close();
    }
}

/// The next events behind `seen`, up to `known` at most, and the number up to which nothing is missing.
async fn read_on<T: Live>(
    served: &Served,
    filter: &Tree<<T::Entity as Noun>::Filter>,
    seen: i64,
    known: i64,
) -> Result<(Vec<(i64, Arc<T>)>, i64), Error> {
    let slice: Slice<T::Entity> = Slice {
        filter: filter.clone(),
        order: Order::default(),
        after: Some(Position { key: seen, id: i64::MAX }),
        before: Some(Position { key: known.saturating_add(1), id: i64::MIN }),
        limit: AT_ONCE,
        from_end: false,
    };
    let rows = list::rows(&served.database.reader, &slice).await?;
    let numbers: Vec<i64> = rows.iter().map(|row| T::Entity::sort_key(slice.order.by, row)).collect();
    let is_all = (rows.len() as u64) < AT_ONCE;
    let last = if is_all { known } else { numbers.last().copied().unwrap_or(known) };
    let loaders = Loaders::new(served.database.reader.clone());
    let objects = loaders.driver().drive(T::objects(served, &loaders, rows)).await?;
    Ok((numbers.into_iter().zip(objects.into_iter().map(Arc::new)).collect(), last))
}

/// Everything that comes to be known from now on, in the order of its number.
pub fn follow<T: Live>(
    ctx: &Context<'_>,
    filter: Option<T::Where>,
) -> Result<impl Stream<Item = Arc<T>> + use<T>, Error> {
    let filter = filter.map(Where::check).transpose()?.unwrap_or_default();
    let served = shared(ctx);
    let events = T::feeds(served).listen(served, filter);
    // A feed that others listen to may have some way to go until now.
    let from = T::number(&served.ingest.latest().borrow());
    let (hearing, turns) = (ctx.data_unchecked::<Hearing>().clone(), served.turns.clone());
    Ok(stream::unfold(events, move |mut events| {
        let (hearing, turns) = (hearing.clone(), turns.clone());
        async move {
            loop {
                let ((number, object), lost) = events.next().await?;
                if number > from {
                    hearing.begin(lost, turns.place().await);
                    return Some((object, events));
                }
            }
        }
    }))
}
