//! A bounded buffer that many readers take the same items from, each at its own pace. Whoever falls behind by more than it holds
//! loses the oldest, and is told how many.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

/// Places that are kept while nothing waits: room for more is given back.
const KEPT: usize = 64;

/// The buffer. It takes no memory for what every reader has taken.
pub struct Ring<T> {
    held: Mutex<Held<T>>,
    arrived: Notify,
    /// Items that may wait.
    most: usize,
}

struct Held<T> {
    /// Each item, and how many readers have yet to take it: never fewer than before it, since readers take them in order.
    items: VecDeque<(T, usize)>,
    /// The number of the first of them.
    first: u64,
    readers: usize,
    is_closed: bool,
}

impl<T> Held<T> {
    /// The number of the next item to come.
    fn end(&self) -> u64 {
        self.first + self.items.len() as u64
    }

    /// Where the item of this number stands, or the oldest one that is left.
    fn place(&self, number: u64) -> usize {
        usize::try_from(number.saturating_sub(self.first)).unwrap_or(usize::MAX)
    }

    /// Lets go of what all have taken.
    fn trim(&mut self) {
        while self.items.front().is_some_and(|(_, readers)| *readers == 0) {
            self.items.pop_front();
            self.first += 1;
        }
        if self.items.is_empty() && self.items.capacity() > KEPT {
            self.items.shrink_to(KEPT);
        }
    }
}

impl<T> Ring<T> {
    /// A buffer of at most so many items.
    pub fn new(most: usize) -> Self {
        let held = Held { items: VecDeque::new(), first: 0, readers: 0, is_closed: false };
        Self { held: Mutex::new(held), arrived: Notify::new(), most }
    }

    fn held(&self) -> MutexGuard<'_, Held<T>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds items for those who read now.
    pub fn push(&self, items: impl IntoIterator<Item = T>) {
        let mut held = self.held();
        if held.readers == 0 {
            return;
        }
        let (readers, end) = (held.readers, held.end());
        for item in items {
            held.items.push_back((item, readers));
            if held.items.len() > self.most {
                held.items.pop_front();
                held.first += 1;
            }
        }
        // Nobody is woken for nothing: there may be thousands.
        let is_more = held.end() > end;
        drop(held);
        if is_more {
            self.arrived.notify_waiters();
        }
    }

    /// Nothing more comes.
    pub fn close(&self) {
        self.held().is_closed = true;
        self.arrived.notify_waiters();
    }

    /// A reader of what is added from now on, of the buffer that `of` holds.
    pub fn read<O: AsRef<Self>>(of: Arc<O>) -> Reader<T, O> {
        let mut held = (*of).as_ref().held();
        held.readers += 1;
        let next = held.end();
        drop(held);
        Reader { of, next, item: std::marker::PhantomData }
    }
}

/// One that takes items, and keeps their source alive.
pub struct Reader<T, O: AsRef<Ring<T>>> {
    of: Arc<O>,
    /// The number of the next item to take.
    next: u64,
    item: std::marker::PhantomData<fn() -> T>,
}

impl<T: Clone, O: AsRef<Ring<T>>> Reader<T, O> {
    /// The next item, and how many were lost before it; `None` when nothing more comes.
    pub async fn next(&mut self) -> Option<(T, u64)> {
        let of = Arc::clone(&self.of);
        let ring: &Ring<T> = (*of).as_ref();
        loop {
            // Before the look, so that nothing arrives unnoticed in between.
            let arrived = ring.arrived.notified();
            if let Some(taken) = self.take(ring) {
                return Some(taken);
            }
            if ring.held().is_closed {
                return None;
            }
            arrived.await;
        }
    }

    /// Passes over what is there already.
    pub fn skip(&mut self) {
        let of = Arc::clone(&self.of);
        while self.take((*of).as_ref()).is_some() {}
    }

    fn take(&mut self, ring: &Ring<T>) -> Option<(T, u64)> {
        let mut held = ring.held();
        let lost = held.first.saturating_sub(self.next);
        let place = held.place(self.next);
        let (item, readers) = held.items.get_mut(place)?;
        *readers -= 1;
        let item = item.clone();
        self.next += lost + 1;
        held.trim();
        Some((item, lost))
    }
}

impl<T, O: AsRef<Ring<T>>> Drop for Reader<T, O> {
    fn drop(&mut self) {
        let mut held = (*self.of).as_ref().held();
        let place = held.place(self.next);
        for (_, readers) in held.items.iter_mut().skip(place) {
            *readers -= 1;
        }
        held.readers -= 1;
        held.trim();
    }
}
