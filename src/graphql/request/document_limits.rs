//! What a document may hold. Each limit is refused by its name, before anything of the document is run; what it holds is measured
//! once, when it is parsed.

use std::{collections::HashMap, ops::AddAssign};

use apollo_compiler::{
    ExecutableDocument, Name,
    ast::Value,
    executable::{Selection, SelectionSet},
};
use apollo_parser::{Lexer, TokenKind};
use async_graphql::ServerError;

use crate::{
    config::Limits,
    error::Code,
    graphql::{
        error::{crossed, with_code},
        limits::{MAX_TEXT_BYTES, MAX_VALUE_DEPTH},
        request::selections::each_selection,
        scalars::check_text,
    },
};

/// Selections in one document, at most, those of a fragment counted wherever it is spread: checking it takes time with them.
const MOST_SELECTIONS: usize = 20_000;
/// Fragments in one document, at most: one may lead to the next, which takes stack.
const MOST_FRAGMENTS: usize = 500;
/// Selections of a subscription, at most, fragments spread: it is kept for as long as it lasts.
const MOST_SUBSCRIBED: usize = 2_000;
/// Bytes of the values in one document, at most, fragments spread: each request has a copy of them.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// Bytes that a value takes besides its text, about.
const A_VALUE: usize = 64;
/// Bytes that a collected field takes besides its arguments, about.
const A_FIELD: usize = 300;
/// Selection sets within each other, fragments spread, at most: whatever looks at them takes stack.
const DEEPEST_SPREAD: usize = 90;
/// Refuses documents of too many tokens, which takes a moment where parsing them would take long, and of too long texts.
pub(crate) fn check_tokens(text: &str, limits: &Limits) -> Result<(), ServerError> {
    let counts = |kind| !matches!(kind, TokenKind::Whitespace | TokenKind::Comment | TokenKind::Comma | TokenKind::Eof);
    let tokens = Lexer::new(text).filter(|token| token.as_ref().map_or(true, |token| counts(token.kind())));
    let mut count = 0;
    for token in tokens.take(limits.max_tokens + 1) {
        count += 1;
        if token.is_ok_and(|token| text_length(token.data()) > MAX_TEXT_BYTES) {
            let message = format!("a text has at most {MAX_TEXT_BYTES} bytes: shorten it");
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

/// Refuses documents that would keep the server busy for long, fill its memory, or overflow its stack: what must hold for all
/// operations together, since validation looks at them all.
pub(crate) fn check_whole(document: &ExecutableDocument) -> Result<(), ServerError> {
    let refuse = |message: String| Err(refusal(Code::ValidationFailed, message));
    if document.fragments.len() > MOST_FRAGMENTS {
        return refuse(format!("a document has at most {MOST_FRAGMENTS} fragments"));
    }
    let mut whole = Size::default();
    for size in sizes(document) {
        whole += size;
    }
    if whole.levels > DEEPEST_SPREAD {
        let asked = "selection sets lie too deep within each other, fragments spread";
        return Err(crossed("max-depth", asked, DEEPEST_SPREAD, "ask in several requests"));
    }
    if whole.selections > MOST_SELECTIONS {
        return refuse(format!("a document has at most {MOST_SELECTIONS} selections, its fragments spread"));
    }
    if whole.bytes > MOST_BYTES {
        let remedy = "send them as variables";
        return refuse(format!(
            "the values in a document have at most {MOST_BYTES} bytes, its fragments spread: {remedy}"
        ));
    }
    check_values(document)
}

/// Refuses values that take stack to read, and texts that can't be stored or looked for.
fn check_values(document: &ExecutableDocument) -> Result<(), ServerError> {
    let mut values: Vec<&Value> = Vec::new();
    let mut spread = Vec::new();
    for operation in document.operations.iter() {
        let defaults = operation.variables.iter().filter_map(|variable| variable.default_value.as_deref());
        values.extend(defaults);
        each_selection(document, &operation.selection_set, &mut spread, &mut |selection| {
            let of_field = selection.as_field().map_or(&[][..], |field| &field.arguments);
            let of_directives = selection.directives().iter().flat_map(|directive| &directive.arguments);
            values.extend(of_field.iter().chain(of_directives).map(|argument| &*argument.value));
        });
    }
    values.into_iter().try_for_each(|value| check_value(value, MAX_VALUE_DEPTH))
}

fn check_value(value: &Value, levels: usize) -> Result<(), ServerError> {
    let inside = || levels.checked_sub(1).ok_or_else(|| refusal(Code::ValidationFailed, too_deep()));
    match value {
        Value::List(items) => {
            let levels = inside()?;
            items.iter().try_for_each(|item| check_value(item, levels))
        }
        Value::Object(members) => {
            let levels = inside()?;
            members.iter().try_for_each(|(_, member)| check_value(member, levels))
        }
        Value::String(text) => check_text(text).map_err(|reason| refusal(Code::BadUserInput, reason)),
        _ => Ok(()),
    }
}

/// What is said of a value that is nested too deep.
pub(crate) fn too_deep() -> String {
    format!("a value has at most {MAX_VALUE_DEPTH} objects and lists within each other")
}

fn refusal(code: Code, message: impl Into<String>) -> ServerError {
    with_code(ServerError::new(message, None), code)
}

/// What a part of a document holds, fragments spread.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Size {
    /// Fields within each other.
    depth: usize,
    /// Selection sets within each other.
    levels: usize,
    aliases: usize,
    directives: usize,
    /// Fields that lie in no other field of this part.
    roots: usize,
    selections: usize,
    /// Bytes of names and values that stand in arguments.
    bytes: usize,
}

impl AddAssign for Size {
    fn add_assign(&mut self, other: Self) {
        self.depth = self.depth.max(other.depth);
        self.levels = self.levels.max(other.levels);
        self.aliases = self.aliases.saturating_add(other.aliases);
        self.directives = self.directives.saturating_add(other.directives);
        self.roots = self.roots.saturating_add(other.roots);
        self.selections = self.selections.saturating_add(other.selections);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

impl Size {
    /// Refuses an operation that asks for too much.
    pub fn check(&self, limits: &Limits, is_subscription: bool) -> Result<(), ServerError> {
        let check = |setting, asked: usize, what: &str, most: usize, remedy| {
            if asked <= most {
                Ok(())
            } else {
                Err(crossed(setting, &format!("the operation has {asked} {what}"), most, remedy))
            }
        };
        let parts = "ask in several requests";
        check("max-depth", self.depth, "fields within each other", limits.max_depth, parts)?;
        check("max-root-fields", self.roots, "root fields", limits.max_root_fields, parts)?;
        check("max-aliases", self.aliases, "aliases", limits.max_aliases, parts)?;
        check("max-directives", self.directives, "directives", limits.max_directives, "leave out what is not wanted")?;
        if is_subscription && self.selections > MOST_SUBSCRIBED {
            let message = format!("a subscription has at most {MOST_SUBSCRIBED} selections, its fragments spread");
            return Err(refusal(Code::ValidationFailed, message));
        }
        Ok(())
    }

    /// Bytes that the operation takes once its fields are collected, about.
    pub fn weight(&self) -> usize {
        self.selections.saturating_mul(A_FIELD).saturating_add(self.bytes)
    }
}

/// The sizes of a document's operations, in their order.
pub(crate) fn sizes(document: &ExecutableDocument) -> Vec<Size> {
    let mut known = HashMap::new();
    let mut sizes = Vec::new();
    for operation in document.operations.iter() {
        let mut size = size(document, &operation.selection_set, 0, &mut known);
        let variables = operation.variables.iter().map(|variable| variable.directives.len());
        size.directives = size.directives.saturating_add(operation.directives.len() + variables.sum::<usize>());
        sizes.push(size);
    }
    sizes
}

/// The size of `set`, which lies in so many other selection sets, fragments spread.
fn size<'a>(
    document: &'a ExecutableDocument,
    set: &'a SelectionSet,
    outer: usize,
    known: &mut HashMap<&'a Name, Size>,
) -> Size {
    let mut whole = Size { levels: 1, ..Size::default() };
    if outer > DEEPEST_SPREAD {
        return Size { levels: outer, ..whole };
    }
    for selection in &set.selections {
        whole.directives = whole.directives.saturating_add(selection.directives().len());
        let mut part = match selection {
            Selection::Field(field) => {
                let inner = field.selection_set.as_ref().map(|set| size(document, set, outer + 1, known));
                let inner = inner.unwrap_or_default();
                let arguments = field.arguments.iter().map(|argument| argument.name.len() + bytes(&argument.value));
                Size {
                    depth: inner.depth + 1,
                    aliases: inner.aliases.saturating_add(usize::from(field.alias.is_some())),
                    roots: 1,
                    bytes: inner.bytes.saturating_add(arguments.sum()),
                    ..inner
                }
            }
            Selection::InlineFragment(part) => size(document, &part.selection_set, outer + 1, known),
            Selection::FragmentSpread(spread) => of_fragment(document, &spread.fragment_name, outer + 1, known),
        };
        part.levels = part.levels.saturating_add(1);
        part.selections = part.selections.saturating_add(1);
        whole += part;
    }
    whole
}

fn of_fragment<'a>(
    document: &'a ExecutableDocument,
    name: &'a Name,
    outer: usize,
    known: &mut HashMap<&'a Name, Size>,
) -> Size {
    if let Some(size) = known.get(name) {
        return *size;
    }
    // A fragment that spreads itself is refused later.
    known.insert(name, Size::default());
    let Some(fragment) = document.fragments.get(name) else { return Size::default() };
    let mut whole = size(document, &fragment.selection_set, outer, known);
    whole.directives = whole.directives.saturating_add(fragment.directives.len());
    known.insert(name, whole);
    whole
}

/// Bytes that a value takes, about.
fn bytes(value: &Value) -> usize {
    let within = match value {
        Value::String(text) => text.len(),
        Value::List(items) => items.iter().map(|item| bytes(item)).sum(),
        Value::Object(members) => members.iter().map(|(name, member)| name.len() + bytes(member)).sum(),
        _ => 0,
    };
    within + A_VALUE
}
