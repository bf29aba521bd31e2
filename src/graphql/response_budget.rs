//! Limits the size of a response. The cost of a document is computed before it runs; the length of the texts it reads is not.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_graphql::{ContextBase, ID};

use crate::{
    error::{Code, Error},
    graphql::scalars::{Int, LocalDateTime},
};

/// The bytes that a response may still take.
#[derive(Debug, Clone)]
pub struct ResponseBudget {
    remaining: Arc<AtomicUsize>,
    limit: usize,
}

impl ResponseBudget {
    /// Builds a budget of `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { remaining: Arc::new(AtomicUsize::new(limit)), limit }
    }

    /// Builds a budget without a limit, for our own documents.
    pub fn unlimited() -> Self {
        Self::new(usize::MAX)
    }

    /// Counts `bytes` against `--max-answer`.
    ///
    /// # Errors
    /// [`Code::LimitExceeded`] if fewer remain; from then on, none do.
    pub fn charge(&self, bytes: usize) -> Result<(), Error> {
        let charged = self.remaining.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        charged.map(drop).map_err(|_| {
            self.remaining.store(0, Ordering::Relaxed);
            let limit = self.limit;
            Error::new(
                Code::LimitExceeded,
                format!("max-answer: the answer takes more than {limit} bytes: ask for fewer rows or fields"),
            )
        })
    }

    /// Restores the whole budget, for the next event of a subscription.
    pub fn reset(&self) {
        self.remaining.store(self.limit, Ordering::Relaxed);
    }
}

/// Returns the budget of the response that is being built.
pub fn budget_of<'a, T>(ctx: &ContextBase<'a, T>) -> &'a ResponseBudget {
    ctx.data_unchecked::<ResponseBudget>()
}

/// The value of a field.
pub trait ResponseSize {
    /// Returns about how many bytes it takes in a response.
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

/// Values whose size is about that of their type.
macro_rules! fixed_size {
    ($($Type:ty),*) => {
        $(impl ResponseSize for $Type {
            fn bytes(&self) -> usize {
                size_of::<Self>()
            }
        })*
    };
}

fixed_size!(bool, f64, Int, LocalDateTime);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_used_up_at_once_by_what_exceeds_it() {
        let budget = ResponseBudget::new(10);
        assert!(budget.charge(6).is_ok());
        assert_eq!(budget.charge(5).map_err(|error| error.code), Err(Code::LimitExceeded));
        assert!(budget.charge(1).is_err());
        budget.reset();
        assert!(budget.charge(10).is_ok());
    }
}
