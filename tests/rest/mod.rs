//! REST v1, entry points of an operator's own, and their descriptions.

mod entry_points;
mod errors;
mod filters;
mod leniency;
mod openapi;
mod order;
mod pages;
mod paths;
mod posts;
mod recorded;
mod rest_dir;
