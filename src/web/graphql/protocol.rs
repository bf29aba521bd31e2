//! The sub-protocols that sockets speak, and how each of them writes the same messages: graphql-transport-ws of npm's graphql-ws, and
//! graphql-ws of subscriptions-transport-ws before it
//! (<https://github.com/apollographql/subscriptions-transport-ws/blob/master/PROTOCOL.md>), which some clients know only.

use async_graphql::{Response as Answer, ServerError};
use axum::extract::ws::{CloseFrame, Message};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    graphql::{without_mark, write_value},
    web::graphql::{
        close_code::CloseCode,
        request::{Object, Request},
        response::body,
    },
};

/// The names of both, the one to be preferred first.
pub(crate) const NAMES: [&str; 2] = ["graphql-transport-ws", "graphql-ws"];

/// A sub-protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// graphql-transport-ws.
    Transport,
    /// graphql-ws, the old one.
    Legacy,
}

/// What a client says.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Said {
    /// Who they are.
    ConnectionInit {
        /// Credentials, for us.
        payload: Option<Object>,
    },
    /// A sign of life that is answered.
    Ping {
        /// Said back.
        payload: Option<Object>,
    },
    /// The answer to one.
    Pong {},
    /// An operation begins.
    Subscribe {
        /// Its name in this connection.
        id: String,
        /// What it is.
        payload: Request,
    },
    /// An operation ends.
    Complete {
        /// Its name.
        id: String,
    },
    /// The connection ends.
    #[serde(skip)]
    Terminate,
}

/// What a client says in the old protocol.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum SaidBefore {
    ConnectionInit { payload: Option<Object> },
    Start { id: String, payload: Request },
    Stop { id: String },
    ConnectionTerminate {},
}

impl From<SaidBefore> for Said {
    fn from(said: SaidBefore) -> Self {
        match said {
            SaidBefore::ConnectionInit { payload } => Self::ConnectionInit { payload },
            SaidBefore::Start { id, payload } => Self::Subscribe { id, payload },
            SaidBefore::Stop { id } => Self::Complete { id },
            SaidBefore::ConnectionTerminate {} => Self::Terminate,
        }
    }
}

impl Protocol {
    /// The sub-protocol of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let place = NAMES.iter().position(|known| *known == name)?;
        Some([Self::Transport, Self::Legacy][place])
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        NAMES[self as usize]
    }

    /// Reads what a client says.
    ///
    /// # Errors
    /// It is no message of a client.
    pub(crate) fn read(self, said: &[u8]) -> serde_json::Result<Said> {
        let said = without_mark(said);
        match self {
            Self::Transport => serde_json::from_slice(said),
            Self::Legacy => serde_json::from_slice::<SaidBefore>(said).map(Said::from),
        }
    }

    /// The client may begin.
    pub(crate) fn acknowledged(self) -> Vec<Message> {
        [message(&json!({ "type": "connection_ack" }))].into_iter().chain(self.alive()).collect()
    }

    /// The answer to a ping.
    pub(crate) fn pong(payload: Option<Map<String, Value>>) -> Message {
        message(
            &payload.map_or_else(|| json!({ "type": "pong" }), |payload| json!({ "type": "pong", "payload": payload })),
        )
    }

    /// What the old protocol has besides the WebSocket's own ping.
    pub(crate) fn alive(self) -> Option<Message> {
        (self == Self::Legacy).then(|| message(&json!({ "type": "ka" })))
    }

    /// An answer of an operation that runs.
    pub(crate) fn next(self, id: &str, answer: &Answer) -> Message {
        let kind = if self == Self::Legacy { "data" } else { "next" };
        with_payload(id, kind, |json| json.extend(body(answer)))
    }

    /// The operation did not run. The old protocol has one error.
    pub(crate) fn error(self, id: &str, errors: &[ServerError]) -> Message {
        with_payload(id, "error", |json| match (self, errors.first()) {
            (Self::Legacy, Some(first)) => write_value(first, json),
            _ => write_value(errors, json),
        })
    }

    /// The operation has ended.
    pub(crate) fn complete(self, id: &str) -> Message {
        match self {
            Self::Transport => message(&json!({ "id": id, "type": "complete" })),
            // As its own server writes it: there are clients that look for a payload in every message.
            Self::Legacy => message(&json!({ "id": id, "type": "complete", "payload": null })),
        }
    }

    /// Whether a client that ended an operation waits for the server to say so, too.
    pub(crate) fn confirms_ends(self) -> bool {
        self == Self::Legacy
    }

    /// What is said before the socket is closed on whoever may not enter: clients of the old protocol do not read why it was.
    pub(crate) fn refused(self, frame: &CloseFrame) -> Option<Message> {
        let is_told = self == Self::Legacy && CloseCode::Forbidden.is_of(frame);
        is_told
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
