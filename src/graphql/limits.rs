//! What a document may hold. Each limit is refused by its name, before anything of the document is run; what it holds is measured
//! once, when it is parsed.

use std::{collections::HashMap, ops::AddAssign};

use apollo_parser::{Lexer, TokenKind};
use async_graphql::{
    Name, ServerError, Value,
    parser::types::{ExecutableDocument, Selection, SelectionSet},
};

use super::{variables::LONGEST_TEXT, with_code};
use crate::{config::Limits, error::Code};

/// A limit that was crossed: its setting, what was asked for, and the way out.
pub fn crossed(setting: &str, asked: &str, most: usize, remedy: &str) -> ServerError {
    let message = format!("{setting}: {asked}, at most {most} are allowed: {remedy}");
    let mut error = with_code(ServerError::new(message, None), Code::LimitExceeded);
    error.extensions.get_or_insert_default().set("limit", Value::from(setting));
    error
}

/// Refuses documents of too many tokens, which takes a moment where parsing them would take long, and of too long texts.
pub(super) fn check_tokens(text: &str, limits: &Limits) -> Result<(), ServerError> {
    let counts = |kind| !matches!(kind, TokenKind::Whitespace | TokenKind::Comment | TokenKind::Comma | TokenKind::Eof);
    let tokens = Lexer::new(text).filter(|token| token.as_ref().map_or(true, |token| counts(token.kind())));
    let mut count = 0;
    for token in tokens.take(limits.max_tokens + 1) {
        count += 1;
        if token.is_ok_and(|token| text_length(token.data()) > LONGEST_TEXT) {
            let message = format!("a text has at most {LONGEST_TEXT} bytes: shorten it");
            return Err(with_code(ServerError::new(message, None), Code::BadUserInput));
        }
    }
    if count <= limits.max_tokens {
        return Ok(());
    }
    let asked = "the document has more names, values and signs than may be read";
    Err(crossed("max-tokens", asked, limits.max_tokens, "send values as variables"))
}

/// Bytes of a text as a document holds it, without its quotes.
fn text_length(token: &str) -> usize {
    let quotes = if token.starts_with("\"\"\"") { 6 } else { 2 };
    token.len().saturating_sub(quotes)
}

/// Refuses documents that ask for too much.
pub(super) fn check(document: &ExecutableDocument, limits: &Limits) -> Result<(), ServerError> {
    let mut known = HashMap::new();
    let mut whole = Size::default();
    for (_, operation) in document.operations.iter() {
        let operation = &operation.node;
        let variables = operation.variable_definitions.iter().map(|variable| variable.node.directives.len());
        whole += size(document, &operation.selection_set.node, &mut known);
        whole.directives += operation.directives.len() + variables.sum::<usize>();
        whole.roots = whole.roots.max(whole.top);
        whole.top = 0;
    }
    let check = |setting, asked: usize, what: &str, most: usize, remedy| {
        if asked <= most {
            Ok(())
        } else {
            Err(crossed(setting, &format!("the document has {asked} {what}"), most, remedy))
        }
    };
    let parts = "ask in several requests";
    check("max-depth", whole.depth, "fields within each other", limits.max_depth, parts)?;
    check("max-root-fields", whole.roots, "root fields", limits.max_root_fields, parts)?;
    check("max-aliases", whole.aliases, "aliases", limits.max_aliases, parts)?;
    check("max-directives", whole.directives, "directives", limits.max_directives, "leave out what is not wanted")
}

/// What a part of a document holds, fragments spread.
#[derive(Debug, Default, Clone, Copy)]
struct Size {
    depth: usize,
    aliases: usize,
    directives: usize,
    /// Fields that lie in no other field of this part.
    top: usize,
    /// The largest `top` of an operation.
    roots: usize,
}

impl AddAssign for Size {
    fn add_assign(&mut self, other: Self) {
        self.depth = self.depth.max(other.depth);
        self.aliases = self.aliases.saturating_add(other.aliases);
        self.directives = self.directives.saturating_add(other.directives);
        self.top = self.top.saturating_add(other.top);
    }
}

fn size<'a>(document: &'a ExecutableDocument, set: &'a SelectionSet, known: &mut HashMap<&'a Name, Size>) -> Size {
    let mut whole = Size::default();
    for selection in &set.items {
        whole.directives = whole.directives.saturating_add(selection.node.directives().len());
        whole += match &selection.node {
            Selection::Field(field) => {
                let inner = size(document, &field.node.selection_set.node, known);
                let aliases = inner.aliases.saturating_add(usize::from(field.node.alias.is_some()));
                Size { depth: inner.depth + 1, aliases, top: 1, ..inner }
            }
            Selection::InlineFragment(part) => size(document, &part.node.selection_set.node, known),
            Selection::FragmentSpread(spread) => of_fragment(document, &spread.node.fragment_name.node, known),
        };
    }
    whole
}

fn of_fragment<'a>(document: &'a ExecutableDocument, name: &'a Name, known: &mut HashMap<&'a Name, Size>) -> Size {
    if let Some(size) = known.get(name) {
        return *size;
    }
    // A fragment that spreads itself is refused by the engine.
    known.insert(name, Size::default());
    let Some(fragment) = document.fragments.get(name) else { return Size::default() };
    let mut whole = size(document, &fragment.node.selection_set.node, known);
    whole.directives = whole.directives.saturating_add(fragment.node.directives.len());
    known.insert(name, whole);
    whole
}
