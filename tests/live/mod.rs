//! Subscriptions: server-sent events, multipart and `WebSockets`.

mod across_servers;
mod clocks;
mod legacy_websocket;
mod multipart;
mod run_progress;
mod subscriptions;
mod websocket;
