//! Connections and the bytes that come over them, below the routes.

mod accept;
mod connection;
mod heads;
mod idle;
mod tls;
mod unread;
mod wire;

pub(crate) use accept::serve;
pub(crate) use tls::Tls;
pub use tls::TlsError;
