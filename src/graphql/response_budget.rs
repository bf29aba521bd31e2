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
pub struct ResponseBudget {
    free: Arc<AtomicUsize>,
    most: usize,
}

impl ResponseBudget {
    /// A budget of so many bytes.
    pub fn new(most: usize) -> Self {
        Self { free: Arc::new(AtomicUsize::new(most)), most }
    }

    /// No limit: for our own documents.
    pub fn unlimited() -> Self {
        Self::new(usize::MAX)
    }

    /// Takes up room.
    ///
    /// # Errors
    /// [`Code::LimitExceeded`] when there is not so much; then none is left.
    pub fn charge(&self, bytes: usize) -> Result<(), Error> {
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
    pub fn reset(&self) {
        self.free.store(self.most, Ordering::Relaxed);
    }
}

/// The room of the answer that is being made.
pub fn budget_of<'a, T>(ctx: &ContextBase<'a, T>) -> &'a ResponseBudget {
    ctx.data_unchecked::<ResponseBudget>()
}

/// A value of a field.
pub trait ResponseSize {
    /// The bytes that it takes in an answer, about.
    fn bytes(&self) -> usize;
}

impl ResponseSize for &str {
    fn bytes(&self) -> usize {
        self.len()
    }
}

impl ResponseSize for ID {
    fn bytes(&self) -> usize {
        self.len()
    }
}

impl<T: ResponseSize> ResponseSize for Option<T> {
    fn bytes(&self) -> usize {
        self.as_ref().map_or(0, ResponseSize::bytes)
    }
}

/// What takes about as much room as its name.
macro_rules! small {
    ($($Type:ty),*) => {
        $(impl ResponseSize for $Type {
            fn bytes(&self) -> usize {
                size_of::<Self>()
            }
        })*
    };
}

small!(bool, f64, Int, LocalDateTime);
