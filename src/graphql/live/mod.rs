//! Live data: what subscribers get, and how it comes to them.

pub mod broadcast;
pub mod elapsed;
pub mod feed;
pub mod run_watcher;
