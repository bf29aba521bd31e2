//! A bounded broadcast buffer: each subscriber takes the same items at its own pace. A subscriber that falls behind by more than
//! the capacity loses the oldest items, and learns their number.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

/// Items that memory is kept for while the buffer is empty.
const IDLE_CAPACITY: usize = 64;

/// The buffer. It frees what every subscriber has taken.
pub struct Broadcast<T> {
    buffer: Mutex<Buffer<T>>,
    arrived: Notify,
    /// Items that are kept, at most.
    capacity: usize,
}

struct Buffer<T> {
    /// Each item with the number of subscribers that have yet to take it. That number never falls from one item to the next,
    /// since subscribers take items in order.
    items: VecDeque<(T, usize)>,
    /// The sequence number of the first item.
    first: u64,
    subscribers: usize,
    is_closed: bool,
}

impl<T> Buffer<T> {
    /// The sequence number of the next item to come.
    fn end(&self) -> u64 {
        self.first + self.items.len() as u64
    }

    /// The index of the item with this sequence number, or of the oldest one that is left.
    fn index(&self, sequence: u64) -> usize {
        usize::try_from(sequence.saturating_sub(self.first)).unwrap_or(usize::MAX)
    }

    /// Drops the items that every subscriber has taken.
    fn trim(&mut self) {
        while self.items.front().is_some_and(|(_, waiting)| *waiting == 0) {
            self.items.pop_front();
            self.first += 1;
        }
        if self.items.is_empty() && self.items.capacity() > IDLE_CAPACITY {
            self.items.shrink_to(IDLE_CAPACITY);
        }
    }
}

impl<T> Broadcast<T> {
    /// Builds a buffer of at most `capacity` items.
    pub fn new(capacity: usize) -> Self {
        let buffer = Buffer { items: VecDeque::new(), first: 0, subscribers: 0, is_closed: false };
        Self { buffer: Mutex::new(buffer), arrived: Notify::new(), capacity }
    }

    fn buffer(&self) -> MutexGuard<'_, Buffer<T>> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds items for the present subscribers.
    pub fn push(&self, items: impl IntoIterator<Item = T>) {
        let mut buffer = self.buffer();
        if buffer.subscribers == 0 {
            return;
        }
        let (subscribers, end) = (buffer.subscribers, buffer.end());
        for item in items {
            buffer.items.push_back((item, subscribers));
            if buffer.items.len() > self.capacity {
                buffer.items.pop_front();
                buffer.first += 1;
            }
        }
        // Waking thousands of subscribers for no item would cost time.
        let has_grown = buffer.end() > end;
        drop(buffer);
        if has_grown {
            self.arrived.notify_waiters();
        }
    }

    /// Ends the stream of every subscriber once it has taken what is left.
    pub fn close(&self) {
        self.buffer().is_closed = true;
        self.arrived.notify_waiters();
    }

    /// Subscribes to what is added from now on to the buffer that `source` owns.
    pub fn subscribe<S: AsRef<Self>>(source: Arc<S>) -> Subscriber<T, S> {
        let mut buffer = (*source).as_ref().buffer();
        buffer.subscribers += 1;
        let next = buffer.end();
        drop(buffer);
        Subscriber { source, next, item: std::marker::PhantomData }
    }
}

/// Takes the items of a buffer, and keeps its owner alive.
pub struct Subscriber<T, S: AsRef<Broadcast<T>>> {
    source: Arc<S>,
    /// The sequence number of the next item to take.
    next: u64,
    item: std::marker::PhantomData<fn() -> T>,
}

impl<T: Clone, S: AsRef<Broadcast<T>>> Subscriber<T, S> {
    /// Waits for the next item. Returns it with the number of items that were dropped before it; `None` once the buffer is closed.
    pub async fn next(&mut self) -> Option<(T, u64)> {
        let source = Arc::clone(&self.source);
        let broadcast: &Broadcast<T> = (*source).as_ref();
        loop {
            // Created before the buffer is read: what arrives in between wakes it.
            let arrived = broadcast.arrived.notified();
            if let Some(taken) = self.take(broadcast) {
                return Some(taken);
            }
            if broadcast.buffer().is_closed {
                return None;
            }
            arrived.await;
        }
    }

    /// Discards the items that have arrived.
    pub fn skip(&mut self) {
        let source = Arc::clone(&self.source);
        while self.take((*source).as_ref()).is_some() {}
    }

    fn take(&mut self, broadcast: &Broadcast<T>) -> Option<(T, u64)> {
        let mut buffer = broadcast.buffer();
        let dropped = buffer.first.saturating_sub(self.next);
        let index = buffer.index(self.next);
        let (item, waiting) = buffer.items.get_mut(index)?;
        *waiting -= 1;
        let item = item.clone();
        self.next += dropped + 1;
        buffer.trim();
        Some((item, dropped))
    }
}

impl<T, S: AsRef<Broadcast<T>>> Drop for Subscriber<T, S> {
    fn drop(&mut self) {
        let mut buffer = (*self.source).as_ref().buffer();
        let index = buffer.index(self.next);
        for (_, waiting) in buffer.items.iter_mut().skip(index) {
            *waiting -= 1;
        }
        buffer.subscribers -= 1;
        buffer.trim();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Source(Broadcast<u32>);

    impl AsRef<Broadcast<u32>> for Source {
        fn as_ref(&self) -> &Broadcast<u32> {
            &self.0
        }
    }

    fn source(capacity: usize) -> Arc<Source> {
        Arc::new(Source(Broadcast::new(capacity)))
    }

    fn subscribe(source: &Arc<Source>) -> Subscriber<u32, Source> {
        Broadcast::subscribe(Arc::clone(source))
    }

    fn len(source: &Source) -> usize {
        source.0.buffer().items.len()
    }

    #[tokio::test]
    async fn every_subscriber_gets_what_came_after_it_subscribed() {
        let source = source(10);
        let mut early = subscribe(&source);
        source.0.push([1]);
        let mut late = subscribe(&source);
        source.0.push([2]);
        source.0.close();
        assert_eq!([early.next().await, early.next().await, early.next().await], [Some((1, 0)), Some((2, 0)), None]);
        assert_eq!([late.next().await, late.next().await], [Some((2, 0)), None]);
        assert_eq!(len(&source), 0);
    }

    #[tokio::test]
    async fn a_slow_subscriber_loses_the_oldest_and_learns_how_many() {
        let source = source(2);
        let mut slow = subscribe(&source);
        source.0.push(1..=5);
        assert_eq!([slow.next().await, slow.next().await], [Some((4, 3)), Some((5, 0))]);
    }

    #[tokio::test]
    async fn what_is_skipped_is_freed() {
        let source = source(10);
        let (mut first, mut second) = (subscribe(&source), subscribe(&source));
        source.0.push(1..=3);
        first.skip();
        assert_eq!((first.next, len(&source)), (3, 3));
        assert_eq!(second.next().await, Some((1, 0)));
        assert_eq!(len(&source), 2);
    }

    #[test]
    fn nothing_is_kept_for_subscribers_that_left() {
        let source = source(10);
        source.0.push([1]);
        assert_eq!(len(&source), 0);
        let subscriber = subscribe(&source);
        source.0.push([2]);
        assert_eq!(len(&source), 1);
        drop(subscriber);
        assert_eq!(len(&source), 0);
    }
}
