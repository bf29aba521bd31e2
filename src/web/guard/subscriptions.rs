//! The limit of `--max-subscriptions`, over all transports.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Code, Error};

/// Counts open subscriptions.
#[derive(Debug, Clone)]
pub(crate) struct SubscriptionLimit {
    most: u32,
    free: Arc<Semaphore>,
}

/// An open subscription, until it is dropped.
#[derive(Debug)]
pub(crate) struct SubscriptionPermit(#[allow(dead_code, reason = "held, not read")] OwnedSemaphorePermit);

impl SubscriptionLimit {
    pub(crate) fn new(most: u32) -> Self {
        Self { most, free: Arc::new(Semaphore::new(most as usize)) }
    }

    /// Returns the number of open subscriptions.
    pub(crate) fn count(&self) -> usize {
        (self.most as usize).saturating_sub(self.free.available_permits())
    }

    /// Opens a subscription.
    ///
    /// # Errors
    /// [`Code::TooManySubscriptions`].
    pub(crate) fn open(&self) -> Result<SubscriptionPermit, Error> {
        Arc::clone(&self.free).try_acquire_owned().map(SubscriptionPermit).map_err(|_| {
            let message =
                format!("{} subscriptions are open already (--max-subscriptions): try again later", self.most);
            Error::new(Code::TooManySubscriptions, message)
        })
    }
}
