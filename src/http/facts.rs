//! What becomes known of a request while it is answered, for the log and the server's own figures.

use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
};

use crate::error::Code;

/// The longest name of an operation that is kept, in bytes. Clients choose names.
const MAX_NAME: usize = 100;

/// What becomes known of a request: each fact once.
#[derive(Debug, Clone, Default)]
pub(crate) struct RequestFacts(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    operation: OnceLock<Performed>,
    token: OnceLock<Arc<str>>,
}

/// The operation that a request asked for.
#[derive(Debug)]
pub(crate) struct Performed {
    /// One of few names: an operation of the program or its operator, or a kind.
    pub(crate) group: Cow<'static, str>,
    /// The name that a client gave it.
    pub(crate) name: Option<String>,
    /// Whether it lasts until one side ends it.
    pub(crate) is_stream: bool,
}

impl RequestFacts {
    /// Notes the operation. `group` is one of few names, `name` the client's.
    pub(crate) fn note_operation(&self, group: Cow<'static, str>, name: Option<&str>, is_stream: bool) {
        let name = name.filter(|name| name.len() <= MAX_NAME).map(ToOwned::to_owned);
        // Those of a batch that come later are left out.
        let _ = self.0.operation.set(Performed { group, name, is_stream });
    }

    /// Notes the name of the caller's token.
    pub(crate) fn note_token(&self, name: Arc<str>) {
        let _ = self.0.token.set(name);
    }

    /// Returns the operation.
    pub(crate) fn operation(&self) -> Option<&Performed> {
        self.0.operation.get()
    }

    /// Returns the name of the caller's token.
    pub(crate) fn token(&self) -> Option<&str> {
        self.0.token.get().map(|name| &**name)
    }
}

/// Why a request was refused: an extension of its response.
#[derive(Debug, Clone)]
pub(crate) struct Refused {
    /// The kind of error.
    pub(crate) code: Code,
    /// The message, without what it quotes: that may be a value of the client.
    pub(crate) reason: String,
}

impl Refused {
    /// Creates it from the message for the client.
    pub(crate) fn new(code: Code, message: &str) -> Self {
        Self { code, reason: without_quotes(message) }
    }
}

/// Returns `text` with `…` in place of what stands between quotes.
fn without_quotes(text: &str) -> String {
    let (mut kept, mut closing, mut before) = (String::with_capacity(text.len()), None, ' ');
    for sign in text.chars() {
        match closing {
            Some(close) if sign == close => {
                kept.push('…');
                kept.push(sign);
                closing = None;
            }
            Some(_) => {}
            None => {
                // Within a word it is an apostrophe.
                if matches!(sign, '"' | '`' | '\'') && !before.is_alphanumeric() {
                    closing = Some(sign);
                }
                kept.push(sign);
            }
        }
        before = sign;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::without_quotes;

    #[test]
    fn what_a_message_quotes_is_left_out() {
        for (message, kept) in [
            ("page: 'secret' is no number", "page: '…' is no number"),
            ("the path can't be read: \"secret\"", "the path can't be read: \"…\""),
            ("a: `x` and 'y'", "a: `…` and '…'"),
            ("cut off: 'secret", "cut off: '"),
            ("nothing is served at this path", "nothing is served at this path"),
        ] {
            assert_eq!(without_quotes(message), kept);
        }
    }
}
