//! REST v1, entry points of the operator, and their OpenAPI descriptions.

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
