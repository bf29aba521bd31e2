//! Normalizes the text of a document for apollo-parser 0.9.0-beta.2, which has two defects.
//!
//! Its lookahead skips white space only, but the language ignores commas, comments and byte order marks too (section 2.1). And it
//! drops an argument, an input field or a variable without a colon, without an error.

use std::borrow::Cow;

use apollo_compiler::parser::LineColumn;
use apollo_parser::{Lexer, Token, TokenKind};

use crate::graphql::request::validation::diagnostic::Diagnostic;

const BYTE_ORDER_MARK: char = '\u{FEFF}';

/// Replaces ignored tokens by spaces, so that positions stay the same.
///
/// # Errors
/// A colon is missing.
pub fn normalize(text: &str) -> Result<Cow<'_, str>, Diagnostic> {
    let mut spaced: Option<Vec<u8>> = None;
    let mut colons = Colons::default();
    // The parser reports what is not a token.
    for token in Lexer::new(text).flatten() {
        let ignored = match token.kind() {
            TokenKind::Comma | TokenKind::Comment => true,
            TokenKind::Whitespace => token.data().contains(BYTE_ORDER_MARK),
            _ => {
                colons.check(&token).map_err(|reason| diagnostic(text, token.index(), &reason))?;
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
    // Whole characters were replaced: it is still UTF-8.
    Ok(spaced.and_then(|bytes| String::from_utf8(bytes).ok()).map_or(Cow::Borrowed(text), Cow::Owned))
}

fn diagnostic(text: &str, index: usize, reason: &str) -> Diagnostic {
    let before = &text[..index];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let position = Some(LineColumn { line, column });
    Diagnostic { position, reason: format!("syntax error: {reason}"), is_syntax: true }
}

/// Checks that names are followed by their colons.
#[derive(Default)]
struct Colons<'t> {
    /// Brackets that are not closed yet.
    open: Vec<TokenKind>,
    /// The previous token.
    last: Option<TokenKind>,
    /// The previous token, if it is a name that a colon must follow.
    pending: Option<&'t str>,
}

impl<'t> Colons<'t> {
    fn check(&mut self, token: &Token<'t>) -> Result<(), String> {
        let kind = token.kind();
        if let Some(name) = self.pending.take()
            && kind != TokenKind::Colon
        {
            return Err(format!("expected a colon after `{name}`"));
        }
        match kind {
            TokenKind::LParen | TokenKind::LCurly | TokenKind::LBracket => self.open.push(kind),
            TokenKind::RParen | TokenKind::RCurly | TokenKind::RBracket => drop(self.open.pop()),
            TokenKind::Name if self.begins_pair() => self.pending = Some(token.data()),
            _ => {}
        }
        self.last = Some(kind);
        Ok(())
    }

    /// Whether a name at this point is that of an argument, an input field or a declared variable.
    fn begins_pair(&self) -> bool {
        let is_inside = self.open.contains(&TokenKind::LParen) && self.open.last() != Some(&TokenKind::LBracket);
        let declares = self.open == [TokenKind::LParen] && self.last == Some(TokenKind::Dollar);
        let is_value = matches!(self.last, Some(TokenKind::Colon | TokenKind::Dollar | TokenKind::At | TokenKind::Eq));
        declares || (is_inside && !is_value)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that can't go on fails")]
mod tests {
    use super::*;

    #[test]
    fn ignored_tokens_become_spaces_and_positions_stay() {
        let normalized = normalize("\u{feff}{ a(b: 1, c: [2,3]) # d\n}").unwrap();
        assert_eq!(normalized, "   { a(b: 1  c: [2 3])    \n}");
        assert!(matches!(normalize("{ a(b: \"1, 2\") }"), Ok(Cow::Borrowed(_))));
    }

    #[test]
    fn a_missing_colon_is_an_error_with_its_position() {
        let missing = normalize("{\n a(b 1) }").unwrap_err();
        assert_eq!((missing.reason.as_str(), missing.is_syntax), ("syntax error: expected a colon after `b`", true));
        assert_eq!(missing.position.map(|position| (position.line, position.column)), Some((2, 6)));
        for valid in ["query ($a: Int) { b(c: $a, d: [e], f: { g: H }) }", "{ a @skip(if: true) }"] {
            assert!(normalize(valid).is_ok(), "{valid}");
        }
    }
}
