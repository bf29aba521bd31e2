//! The schema: object types, and what can be asked, stored and subscribed to.

pub mod build;
pub mod component;
pub mod execution_context;
pub mod item;
pub mod metric;
pub mod node;
pub mod pipeline;
pub mod ranking;
pub mod record;
pub mod run_progress;
pub mod session;
pub mod tag;
pub mod user_error;
pub mod variant;
