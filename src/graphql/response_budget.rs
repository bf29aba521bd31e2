//! How large an answer may grow. What a document costs is known before it runs; how long the texts are that it leads to is not.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_graphql::{ContextBase, ID};

use crate::{
    error::{Code, Error},
    graphql::scalars::{Int, LocalDateTime},
};

/// Bytes that an answer may still take.
#[derive(Debug, Clone)]
pub struct Room {
    free: Arc<AtomicUsize>,
    most: usize,
}

impl Room {
    /// Room for so many bytes.
    pub fn of(most: usize) -> Self {
        Self { free: Arc::new(AtomicUsize::new(most)), most }
    }

    /// Room for whatever our own documents ask for.
    pub fn unlimited() -> Self {
        Self::of(usize::MAX)
    }

    /// Takes up room.
    ///
    /// # Errors
    /// [`Code::LimitExceeded`] when there is not so much; then none is left.
    pub fn take(&self, bytes: usize) -> Result<(), Error> {
        let taken = self.free.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| free.checked_sub(bytes));
        taken.map(drop).map_err(|_| {
            self.free.store(0, Ordering::Relaxed);
            let most = self.most;
            Error::new(
                Code::LimitExceeded,
                format!("max-answer: the answer takes more than {most} bytes: ask for fewer rows or fields"),
            )
        })
    }

    /// All of it is free again: for the next event of a subscription.
    pub fn clear(&self) {
        self.free.store(self.most, Ordering::Relaxed);
    }
}

/// The room of the answer that is being made.
pub fn room_of<'a, T>(ctx: &ContextBase<'a, T>) -> &'a Room {
    ctx.data_unchecked::<Room>()
}

/// A value of a field.
pub trait Weighed {
    /// The bytes that it takes in an answer, about.
    fn bytes(&self) -> usize;
}

impl Weighed for &str {
    fn bytes(&self) -> usize {
        self.len()
    }
}

impl Weighed for ID {
    fn bytes(&self) -> usize {
        self.len()
    }
}

impl<T: Weighed> Weighed for Option<T> {
    fn bytes(&self) -> usize {
        self.as_ref().map_or(0, Weighed::bytes)
    }
}

/// What takes about as much room as its name.
macro_rules! small {
    ($($Type:ty),*) => {
        $(impl Weighed for $Type {
            fn bytes(&self) -> usize {
                size_of::<Self>()
            }
        })*
    };
}

small!(bool, f64, Int, LocalDateTime);
