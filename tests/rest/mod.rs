//! REST v1, endpoints of the operator, and their OpenAPI descriptions.

mod endpoints;
mod errors;
mod filters;
mod leniency;
mod openapi;
mod order;
mod pages;
mod paths;
mod posts;
mod projects;
mod recorded;
mod rest_dir;
mod rows;
mod v2;
