//! A document's text as apollo-parser 0.9.0-beta.2 reads it right.
//!
//! It looks ahead past white space alone, where the language ignores commas, comments and byte order marks as well (section 2.1); and
//! it drops an argument, an input field or a variable that has no colon, without an error.

use std::borrow::Cow;

use apollo_compiler::parser::LineColumn;
use apollo_parser::{Lexer, Token, TokenKind};

use crate::graphql::request::validation::problem::Problem;

const BYTE_ORDER_MARK: char = '\u{FEFF}';

/// The text with spaces in the place of what is ignored, so that places stay the same.
///
/// # Errors
/// A colon that is missing.
pub fn readable(text: &str) -> Result<Cow<'_, str>, Problem> {
    let mut spaced: Option<Vec<u8>> = None;
    let mut colons = Colons::default();
    // What is no token at all is the parser's to tell.
    for token in Lexer::new(text).flatten() {
        let ignored = match token.kind() {
            TokenKind::Comma | TokenKind::Comment => true,
            TokenKind::Whitespace => token.data().contains(BYTE_ORDER_MARK),
            _ => {
                colons.check(&token).map_err(|reason| problem(text, token.index(), &reason))?;
                false
            }
        };
        if ignored {
            let spaced = spaced.get_or_insert_with(|| text.as_bytes().to_vec());
            let at = token.index()..token.index() + token.data().len();
            let is_space = |byte: &&mut u8| !matches!(**byte, b'\n' | b'\r');
            spaced[at].iter_mut().filter(is_space).for_each(|byte| *byte = b' ');
        }
    }
    // Whole characters became spaces: it is still UTF-8.
    Ok(spaced.and_then(|bytes| String::from_utf8(bytes).ok()).map_or(Cow::Borrowed(text), Cow::Owned))
}

fn problem(text: &str, index: usize, reason: &str) -> Problem {
    let before = &text[..index];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Problem { place: Some(LineColumn { line, column }), reason: format!("syntax error: {reason}"), is_syntax: true }
}

/// Whether names have their colons.
#[derive(Default)]
struct Colons<'t> {
    /// What was opened and not closed.
    open: Vec<TokenKind>,
    /// The token before.
    last: Option<TokenKind>,
    /// The name that a colon must follow.
    awaits: Option<&'t str>,
}

impl<'t> Colons<'t> {
    fn check(&mut self, token: &Token<'t>) -> Result<(), String> {
        let kind = token.kind();
        if let Some(name) = self.awaits.take()
            && kind != TokenKind::Colon
        {
            return Err(format!("expected a colon after `{name}`"));
        }
        match kind {
            TokenKind::LParen | TokenKind::LCurly | TokenKind::LBracket => self.open.push(kind),
            TokenKind::RParen | TokenKind::RCurly | TokenKind::RBracket => drop(self.open.pop()),
            TokenKind::Name if self.begins_pair() => self.awaits = Some(token.data()),
            _ => {}
        }
        self.last = Some(kind);
        Ok(())
    }

    /// Whether a name here is that of an argument, an input field or a declared variable.
    fn begins_pair(&self) -> bool {
        let is_inside = self.open.contains(&TokenKind::LParen) && self.open.last() != Some(&TokenKind::LBracket);
        let declares = self.open == [TokenKind::LParen] && self.last == Some(TokenKind::Dollar);
        let is_value = matches!(self.last, Some(TokenKind::Colon | TokenKind::Dollar | TokenKind::At | TokenKind::Eq));
        declares || (is_inside && !is_value)
    }
}
