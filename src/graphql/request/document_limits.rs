//! Limits of documents. A document is measured once, when it is parsed. An error names the limit that is exceeded.

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
        error::{limit_exceeded, with_code},
        limits::{
            MAX_DOCUMENT_VALUE_BYTES, MAX_FRAGMENTS, MAX_SELECTION_DEPTH, MAX_SELECTIONS, MAX_SUBSCRIPTION_SELECTIONS,
            MAX_TEXT_BYTES, MAX_VALUE_DEPTH,
        },
        request::selections::visit_selections,
        scalars::check_text,
    },
};

/// Estimated bytes of a value besides its text.
const VALUE_OVERHEAD: usize = 64;
/// Estimated bytes of a collected field besides its arguments.
const FIELD_OVERHEAD: usize = 300;

/// Checks the number of tokens and the length of texts. It takes a fraction of the time that parsing takes.
pub(crate) fn check_tokens(text: &str, limits: &Limits) -> Result<(), ServerError> {
    let is_counted =
        |kind| !matches!(kind, TokenKind::Whitespace | TokenKind::Comment | TokenKind::Comma | TokenKind::Eof);
    let tokens = Lexer::new(text).filter(|token| token.as_ref().map_or(true, |token| is_counted(token.kind())));
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
    let found = "the document has too many lexical tokens";
    Err(limit_exceeded("max-tokens", found, limits.max_tokens, "send values as variables"))
}

/// Returns the bytes of a string token without its quotes.
fn text_length(token: &str) -> usize {
    let quotes = if token.starts_with("\"\"\"") { 6 } else { 2 };
    token.len().saturating_sub(quotes)
}

/// Checks the limits that hold for all operations of a document together, since validation visits them all. They bound its time,
/// memory and stack.
pub(crate) fn check_whole(document: &ExecutableDocument) -> Result<(), ServerError> {
    let refuse = |message: String| Err(refusal(Code::ValidationFailed, message));
    if document.fragments.len() > MAX_FRAGMENTS {
        return refuse(format!("a document has at most {MAX_FRAGMENTS} fragments"));
    }
    let mut total = OperationSize::default();
    for size in operation_sizes(document) {
        total += size;
    }
    if total.levels > MAX_SELECTION_DEPTH {
        let found = "selection sets are nested too deep, with fragments spread";
        return Err(limit_exceeded("max-depth", found, MAX_SELECTION_DEPTH, "ask in several requests"));
    }
    if total.selections > MAX_SELECTIONS {
        return refuse(format!("a document has at most {MAX_SELECTIONS} selections, its fragments spread"));
    }
    if total.bytes > MAX_DOCUMENT_VALUE_BYTES {
        let remedy = "send them as variables";
        return refuse(format!(
            "the values in a document have at most {MAX_DOCUMENT_VALUE_BYTES} bytes, its fragments spread: {remedy}"
        ));
    }
    check_values(document)
}

/// Checks the depth of every value, and that every text can be stored and searched for.
fn check_values(document: &ExecutableDocument) -> Result<(), ServerError> {
    let mut values: Vec<&Value> = Vec::new();
    let mut visited = Vec::new();
    for operation in document.operations.iter() {
        let defaults = operation.variables.iter().filter_map(|variable| variable.default_value.as_deref());
        values.extend(defaults);
        visit_selections(document, &operation.selection_set, &mut visited, &mut |selection| {
            let of_field = selection.as_field().map_or(&[][..], |field| &field.arguments);
            let of_directives = selection.directives().iter().flat_map(|directive| &directive.arguments);
            values.extend(of_field.iter().chain(of_directives).map(|argument| &*argument.value));
        });
    }
    values.into_iter().try_for_each(|value| check_value(value, MAX_VALUE_DEPTH))
}

fn check_value(value: &Value, levels: usize) -> Result<(), ServerError> {
    let descend = || levels.checked_sub(1).ok_or_else(|| refusal(Code::ValidationFailed, too_deep()));
    match value {
        Value::List(items) => {
            let levels = descend()?;
            items.iter().try_for_each(|item| check_value(item, levels))
        }
        Value::Object(members) => {
            let levels = descend()?;
            members.iter().try_for_each(|(_, member)| check_value(member, levels))
        }
        Value::String(text) => check_text(text).map_err(|reason| refusal(Code::BadUserInput, reason)),
        _ => Ok(()),
    }
}

/// Returns the message for a value that is nested too deep.
pub(crate) fn too_deep() -> String {
    format!("a value has at most {MAX_VALUE_DEPTH} levels of objects and lists")
}

fn refusal(code: Code, message: impl Into<String>) -> ServerError {
    with_code(ServerError::new(message, None), code)
}

/// The size of an operation or a part of it, with fragments spread.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct OperationSize {
    /// Levels of fields.
    depth: usize,
    /// Levels of selection sets.
    levels: usize,
    aliases: usize,
    directives: usize,
    /// Fields that are not inside another field of this part.
    roots: usize,
    selections: usize,
    /// Bytes of names and values of arguments.
    bytes: usize,
}

impl AddAssign for OperationSize {
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

impl OperationSize {
    /// Checks the limits of one operation.
    pub fn check(&self, limits: &Limits, is_subscription: bool) -> Result<(), ServerError> {
        let check = |setting, count: usize, what: &str, max: usize, remedy| {
            if count <= max {
                Ok(())
            } else {
                Err(limit_exceeded(setting, &format!("the operation has {count} {what}"), max, remedy))
            }
        };
        let split = "ask in several requests";
        check("max-depth", self.depth, "levels of fields", limits.max_depth, split)?;
        check("max-root-fields", self.roots, "root fields", limits.max_root_fields, split)?;
        check("max-aliases", self.aliases, "aliases", limits.max_aliases, split)?;
        check("max-directives", self.directives, "directives", limits.max_directives, "remove some")?;
        if is_subscription && self.selections > MAX_SUBSCRIPTION_SELECTIONS {
            let message =
                format!("a subscription has at most {MAX_SUBSCRIPTION_SELECTIONS} selections, its fragments spread");
            return Err(refusal(Code::ValidationFailed, message));
        }
        Ok(())
    }

    /// Estimates the bytes of the operation once its fields are collected.
    pub fn weight(&self) -> usize {
        self.selections.saturating_mul(FIELD_OVERHEAD).saturating_add(self.bytes)
    }
}

/// Measures the operations of a document, in their order.
pub(crate) fn operation_sizes(document: &ExecutableDocument) -> Vec<OperationSize> {
    let mut fragments = HashMap::new();
    let mut sizes = Vec::new();
    for operation in document.operations.iter() {
        let mut size = size(document, &operation.selection_set, 0, &mut fragments);
        let variables = operation.variables.iter().map(|variable| variable.directives.len());
        size.directives = size.directives.saturating_add(operation.directives.len() + variables.sum::<usize>());
        sizes.push(size);
    }
    sizes
}

/// Measures `set`, which is inside `outer` other selection sets. `fragments` holds those that were measured.
fn size<'a>(
    document: &'a ExecutableDocument,
    set: &'a SelectionSet,
    outer: usize,
    fragments: &mut HashMap<&'a Name, OperationSize>,
) -> OperationSize {
    let mut whole = OperationSize { levels: 1, ..OperationSize::default() };
    if outer > MAX_SELECTION_DEPTH {
        return OperationSize { levels: outer, ..whole };
    }
    for selection in &set.selections {
        whole.directives = whole.directives.saturating_add(selection.directives().len());
        let mut part = match selection {
            Selection::Field(field) => {
                let inner = field.selection_set.as_ref().map(|set| size(document, set, outer + 1, fragments));
                let inner = inner.unwrap_or_default();
                let arguments = field.arguments.iter().map(|argument| argument.name.len() + bytes(&argument.value));
                OperationSize {
                    depth: inner.depth + 1,
                    aliases: inner.aliases.saturating_add(usize::from(field.alias.is_some())),
                    roots: 1,
                    bytes: inner.bytes.saturating_add(arguments.sum()),
                    ..inner
                }
            }
            Selection::InlineFragment(part) => size(document, &part.selection_set, outer + 1, fragments),
            Selection::FragmentSpread(spread) => {
                size_of_fragment(document, &spread.fragment_name, outer + 1, fragments)
            }
        };
        part.levels = part.levels.saturating_add(1);
        part.selections = part.selections.saturating_add(1);
        whole += part;
    }
    whole
}

fn size_of_fragment<'a>(
    document: &'a ExecutableDocument,
    name: &'a Name,
    outer: usize,
    fragments: &mut HashMap<&'a Name, OperationSize>,
) -> OperationSize {
    if let Some(size) = fragments.get(name) {
        return *size;
    }
    // Ends the recursion of a fragment that spreads itself: validation refuses it later.
    fragments.insert(name, OperationSize::default());
    let Some(fragment) = document.fragments.get(name) else { return OperationSize::default() };
    let mut whole = size(document, &fragment.selection_set, outer, fragments);
    whole.directives = whole.directives.saturating_add(fragment.directives.len());
    fragments.insert(name, whole);
    whole
}

/// Estimates the bytes of a value.
fn bytes(value: &Value) -> usize {
    let within = match value {
        Value::String(text) => text.len(),
        Value::List(items) => items.iter().map(|item| bytes(item)).sum(),
        Value::Object(members) => members.iter().map(|(name, member)| name.len() + bytes(member)).sum(),
        _ => 0,
    };
    within + VALUE_OVERHEAD
}
