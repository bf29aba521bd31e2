//! Caches of answers that scans and statements would give again and again.

mod counts;
mod lists;

pub use counts::CountCache;
pub use lists::ListCache;
