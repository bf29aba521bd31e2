//! Live data: feeds subscriptions with the rows of new commits.

pub mod broadcast;
pub mod elapsed;
pub mod feed;
pub mod run_watcher;
