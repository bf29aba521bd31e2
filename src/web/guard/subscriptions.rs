//! How many subscriptions may be open, whatever carries them.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Code, Error};

/// Subscriptions that may be open, whatever carries them.
#[derive(Debug, Clone)]
pub(crate) struct Subscriptions {
    most: u32,
    free: Arc<Semaphore>,
}

/// One open subscription. It ends with this.
#[derive(Debug)]
pub(crate) struct Subscribed(#[allow(dead_code, reason = "held, not read")] OwnedSemaphorePermit);

impl Subscriptions {
    pub(crate) fn new(most: u32) -> Self {
        Self { most, free: Arc::new(Semaphore::new(most as usize)) }
    }

    /// One more.
    ///
    /// # Errors
    /// [`Code::TooManySubscriptions`].
    pub(crate) fn open(&self) -> Result<Subscribed, Error> {
        Arc::clone(&self.free).try_acquire_owned().map(Subscribed).map_err(|_| {
            let message =
                format!("{} subscriptions are open already (--max-subscriptions): try again later", self.most);
            Error::new(Code::TooManySubscriptions, message)
        })
    }
}
