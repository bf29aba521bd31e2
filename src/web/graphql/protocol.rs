//! The WebSocket sub-protocols and their messages: graphql-transport-ws of npm's graphql-ws, and its predecessor
//! graphql-ws of subscriptions-transport-ws
//! (<https://github.com/apollographql/subscriptions-transport-ws/blob/master/PROTOCOL.md>), which is the only one that
//! some clients know.

use async_graphql::{Response as GraphqlResponse, ServerError};
use axum::extract::ws::{CloseFrame, Message};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    graphql::{without_bom, write_value},
    web::graphql::{
        close_code::CloseCode,
        request::{Object, Request},
        response::body,
    },
};

/// The names of the sub-protocols, in order of preference.
pub(crate) const NAMES: [&str; 2] = ["graphql-transport-ws", "graphql-ws"];

/// A sub-protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// The current protocol, graphql-transport-ws.
    Transport,
    /// The legacy protocol, graphql-ws.
    Legacy,
}

/// A message of a client.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum ClientMessage {
    /// Opens the connection.
    ConnectionInit {
        /// Credentials.
        payload: Option<Object>,
    },
    /// Asks for a pong.
    Ping {
        /// Returned in the pong.
        payload: Option<Object>,
    },
    /// The response to a ping.
    Pong {},
    /// Starts an operation.
    Subscribe {
        /// Its id, unique on this connection.
        id: String,
        /// The request.
        payload: Request,
    },
    /// Stops an operation.
    Complete {
        /// Its id.
        id: String,
    },
    /// Closes the connection.
    #[serde(skip)]
    Terminate,
}

/// A message of a client in the legacy protocol.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum LegacyMessage {
    ConnectionInit { payload: Option<Object> },
    Start { id: String, payload: Request },
    Stop { id: String },
    ConnectionTerminate {},
}

impl From<LegacyMessage> for ClientMessage {
    fn from(message: LegacyMessage) -> Self {
        match message {
            LegacyMessage::ConnectionInit { payload } => Self::ConnectionInit { payload },
            LegacyMessage::Start { id, payload } => Self::Subscribe { id, payload },
            LegacyMessage::Stop { id } => Self::Complete { id },
            LegacyMessage::ConnectionTerminate {} => Self::Terminate,
        }
    }
}

impl Protocol {
    /// Returns the sub-protocol of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let index = NAMES.iter().position(|listed| *listed == name)?;
        Some([Self::Transport, Self::Legacy][index])
    }

    /// Returns its name.
    pub(crate) fn name(self) -> &'static str {
        NAMES[self as usize]
    }

    /// Parses a message of a client.
    ///
    /// # Errors
    /// The reason why it is none.
    pub(crate) fn read(self, message: &[u8]) -> serde_json::Result<ClientMessage> {
        let message = without_bom(message);
        match self {
            Self::Transport => serde_json::from_slice(message),
            Self::Legacy => serde_json::from_slice::<LegacyMessage>(message).map(ClientMessage::from),
        }
    }

    /// Acknowledges the connection.
    pub(crate) fn acknowledged(self) -> Vec<Message> {
        [message(&json!({ "type": "connection_ack" }))].into_iter().chain(self.alive()).collect()
    }

    /// Returns the response to a ping.
    pub(crate) fn pong(payload: Option<Map<String, Value>>) -> Message {
        message(
            &payload.map_or_else(|| json!({ "type": "pong" }), |payload| json!({ "type": "pong", "payload": payload })),
        )
    }

    /// Returns the keep-alive message of the legacy protocol, sent besides WebSocket pings.
    pub(crate) fn alive(self) -> Option<Message> {
        (self == Self::Legacy).then(|| message(&json!({ "type": "ka" })))
    }

    /// Returns a message with a response.
    pub(crate) fn next(self, id: &str, answer: &GraphqlResponse) -> Message {
        let kind = if self == Self::Legacy { "data" } else { "next" };
        with_payload(id, kind, |json| json.extend(body(answer)))
    }

    /// Returns the message for an operation that did not run. The legacy protocol has room for one error.
    pub(crate) fn error(self, id: &str, errors: &[ServerError]) -> Message {
        with_payload(id, "error", |json| match (self, errors.first()) {
            (Self::Legacy, Some(first)) => write_value(first, json),
            _ => write_value(errors, json),
        })
    }

    /// Returns the message for the end of an operation.
    pub(crate) fn complete(self, id: &str) -> Message {
        match self {
            Self::Transport => message(&json!({ "id": id, "type": "complete" })),
            // As the reference implementation writes it: some clients expect a payload in every message.
            Self::Legacy => message(&json!({ "id": id, "type": "complete", "payload": null })),
        }
    }

    /// Whether the server confirms that a client stopped an operation.
    pub(crate) fn confirms_ends(self) -> bool {
        self == Self::Legacy
    }

    /// Returns the message before closing on an unauthorised client: clients of the legacy protocol do not read the
    /// close reason.
    pub(crate) fn refused(self, frame: &CloseFrame) -> Option<Message> {
        let is_sent = self == Self::Legacy && CloseCode::Forbidden.is_of(frame);
        is_sent
            .then(|| message(&json!({ "type": "connection_error", "payload": { "message": frame.reason.as_str() } })))
    }
}

fn message(value: &Value) -> Message {
    Message::Text(value.to_string().into())
}

fn with_payload(id: &str, kind: &str, write: impl FnOnce(&mut Vec<u8>)) -> Message {
    let mut json = b"{\"id\":".to_vec();
    write_value(id, &mut json);
    json.extend_from_slice(format!(",\"type\":\"{kind}\",\"payload\":").as_bytes());
    write(&mut json);
    json.push(b'}');
    Message::Text(String::from_utf8_lossy(&json).into_owned().into())
}
