//! HTTP: connections, limits, proxies, security.

mod bodies;
mod clients;
mod header_names;
mod idle_connections;
mod limits;
mod monitoring;
mod paths;
mod properties;
mod proxies;
mod request_log;
mod security;
mod slow_readers;
mod tls;
mod traces;
mod wire;
