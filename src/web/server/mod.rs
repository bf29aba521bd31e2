//! The server below the routes: accepting connections, TLS, and the bytes of HTTP.

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
