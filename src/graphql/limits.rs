//! What a document may hold. Each limit is refused by its name, before anything of the document is run; what it holds is measured
//! once, when it is parsed.

use std::{collections::HashMap, ops::AddAssign};

use apollo_compiler::{
    ExecutableDocument, Name,
    ast::Value,
    executable::{Selection, SelectionSet},
};
use apollo_parser::{Lexer, TokenKind};
use async_graphql::{ServerError, Value as EngineValue};

use super::{
    document::each_selection,
    failure::with_code,
    variables::{LONGEST_TEXT, check_text},
};
use crate::{config::Limits, error::Code};

/// Selections in one document, at most, those of a fragment counted wherever it is spread: checking it takes time with them.
const MOST_SELECTIONS: usize = 20_000;
/// Fragments in one document, at most: one may lead to the next, which takes stack.
const MOST_FRAGMENTS: usize = 500;
/// Selection sets within each other, fragments spread, at most: whatever looks at them takes stack.
const DEEPEST_SPREAD: usize = 200;
/// The depth of what lies deeper.
const TOO_DEEP: usize = usize::MAX / 2;
/// Objects and lists within each other in one value, at most: reading them takes stack.
pub(super) const DEEPEST_VALUE: usize = 20;

/// A limit that was crossed: its setting, what was asked for, and the way out.
pub fn crossed(setting: &str, asked: &str, most: usize, remedy: &str) -> ServerError {
    let message = format!("{setting}: {asked}, at most {most} are allowed: {remedy}");
    let mut error = with_code(ServerError::new(message, None), Code::LimitExceeded);
    error.extensions.get_or_insert_default().set("limit", EngineValue::from(setting));
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

/// Refuses documents that would keep the server busy for long, or overflow its stack.
pub(super) fn check_size(document: &ExecutableDocument) -> Result<(), ServerError> {
    let refuse = |message: String| Err(refusal(Code::ValidationFailed, message));
    if document.fragments.len() > MOST_FRAGMENTS {
        return refuse(format!("a document has at most {MOST_FRAGMENTS} fragments"));
    }
    let mut known = HashMap::new();
    let operations = document.operations.iter().map(|operation| &operation.selection_set);
    let selections = operations.map(|set| count_selections(document, set, &mut known)).fold(0, usize::saturating_add);
    if selections > MOST_SELECTIONS {
        return refuse(format!("a document has at most {MOST_SELECTIONS} selections, its fragments spread"));
    }
    check_values(document)
}

/// How many selections `set` has, fragments spread.
pub(super) fn count_selections<'a>(
    document: &'a ExecutableDocument,
    set: &'a SelectionSet,
    known: &mut HashMap<&'a Name, usize>,
) -> usize {
    let mut count = 0_usize;
    for selection in &set.selections {
        count = count.saturating_add(match selection {
            Selection::Field(field) => {
                let inner = field.selection_set.as_ref().map_or(0, |set| count_selections(document, set, known));
                inner.saturating_add(1)
            }
            Selection::InlineFragment(part) => count_selections(document, &part.selection_set, known),
            Selection::FragmentSpread(spread) => {
                let name = &spread.fragment_name;
                if let Some(count) = known.get(name) {
                    *count
                } else {
                    // A fragment that spreads itself is refused later.
                    known.insert(name, 0);
                    let part = document.fragments.get(name);
                    let count = part.map_or(0, |part| count_selections(document, &part.selection_set, known));
                    known.insert(name, count.saturating_add(1));
                    count.saturating_add(1)
                }
            }
        });
    }
    count
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
    values.into_iter().try_for_each(|value| check_value(value, DEEPEST_VALUE))
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
pub(super) fn too_deep() -> String {
    format!("a value has at most {DEEPEST_VALUE} objects and lists within each other")
}

fn refusal(code: Code, message: impl Into<String>) -> ServerError {
    with_code(ServerError::new(message, None), code)
}

/// Refuses documents that ask for too much.
pub(super) fn check(document: &ExecutableDocument, limits: &Limits) -> Result<(), ServerError> {
    let mut known = HashMap::new();
    let mut whole = Size::default();
    for operation in document.operations.iter() {
        let variables = operation.variables.iter().map(|variable| variable.directives.len());
        whole += size(document, &operation.selection_set, 0, &mut known);
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
    if whole.depth >= TOO_DEEP {
        return Err(crossed(
            "max-depth",
            "selections lie too deep within each other, fragments spread",
            DEEPEST_SPREAD,
            parts,
        ));
    }
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

/// The size of `set`, which lies in `levels` other selection sets, fragments spread.
fn size<'a>(
    document: &'a ExecutableDocument,
    set: &'a SelectionSet,
    levels: usize,
    known: &mut HashMap<&'a Name, Size>,
) -> Size {
    if levels > DEEPEST_SPREAD {
        return Size { depth: TOO_DEEP, ..Size::default() };
    }
    let mut whole = Size::default();
    for selection in &set.selections {
        whole.directives = whole.directives.saturating_add(selection.directives().len());
        whole += match selection {
            Selection::Field(field) => {
                let inner =
                    field.selection_set.as_ref().map(|set| size(document, set, levels + 1, known)).unwrap_or_default();
                let aliases = inner.aliases.saturating_add(usize::from(field.alias.is_some()));
                Size { depth: inner.depth + 1, aliases, top: 1, ..inner }
            }
            Selection::InlineFragment(part) => size(document, &part.selection_set, levels + 1, known),
            Selection::FragmentSpread(spread) => of_fragment(document, &spread.fragment_name, levels + 1, known),
        };
    }
    whole
}

fn of_fragment<'a>(
    document: &'a ExecutableDocument,
    name: &'a Name,
    levels: usize,
    known: &mut HashMap<&'a Name, Size>,
) -> Size {
    if let Some(size) = known.get(name) {
        return *size;
    }
    // A fragment that spreads itself is refused later.
    known.insert(name, Size::default());
    let Some(fragment) = document.fragments.get(name) else { return Size::default() };
    let mut whole = size(document, &fragment.selection_set, levels, known);
    whole.directives = whole.directives.saturating_add(fragment.directives.len());
    known.insert(name, whole);
    whole
}
