//! GraphQL over HTTP: requests and their responses, streams of answers, and sockets.

mod close_code;
mod execute;
mod media;
mod protocol;
mod request;
mod response;
mod sse;
mod status;
mod stream;

pub(crate) mod handlers;
pub(crate) mod refusal;
pub(crate) mod websocket;
