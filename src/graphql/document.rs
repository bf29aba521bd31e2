//! What the engine leaves unchecked in a document, or finds out too late.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use async_graphql::{
    Name, Positioned, ServerError, Value,
    parser::types::{BaseType, ExecutableDocument, Field, OperationType, Selection, SelectionSet},
};

use super::access::Scopes;

/// Selections in one document, at most, those of a fragment counted wherever it is spread: checking it takes time with them.
const MOST_SELECTIONS: usize = 20_000;
/// Fragments in one document, at most: one may lead to the next, which takes stack.
const MOST_FRAGMENTS: usize = 500;
/// Objects and lists within each other in one value, at most: reading them takes stack.
pub(super) const DEEPEST_VALUE: usize = 20;

/// A parsed document, and what is known of it.
#[derive(Debug, Clone)]
pub struct Document(Arc<Known>);

#[derive(Debug)]
struct Known {
    parsed: ExecutableDocument,
    merges_lists: bool,
    is_own: bool,
    is_valid: AtomicBool,
    scopes: OnceLock<Scopes>,
}

impl Document {
    /// A document that was parsed and may be invalid.
    pub fn new(parsed: ExecutableDocument) -> Self {
        Self::with(parsed, false)
    }

    /// A document of the façade: it fits the schema, its variables are checked before it runs, and the limits of what clients may ask
    /// are not for it.
    pub fn own(parsed: ExecutableDocument) -> Self {
        let document = Self::with(parsed, true);
        document.was_valid();
        document
    }

    fn with(parsed: ExecutableDocument, is_own: bool) -> Self {
        let merges_lists = merges_lists(&parsed);
        Self(Arc::new(Known {
            parsed,
            merges_lists,
            is_own,
            is_valid: AtomicBool::new(false),
            scopes: OnceLock::new(),
        }))
    }

    /// What was parsed.
    pub fn parsed(&self) -> &ExecutableDocument {
        &self.0.parsed
    }

    /// Whether a selection names the same field with selections of its own twice, which the engine runs twice and merges.
    pub fn merges_lists(&self) -> bool {
        self.0.merges_lists
    }

    /// Whether limits are not for it.
    pub fn is_own(&self) -> bool {
        self.0.is_own
    }

    /// Whether it need not be validated again.
    pub fn is_known_to_be_valid(&self) -> bool {
        self.0.is_valid.load(Ordering::Relaxed)
    }

    /// The scopes that its operations take, read once.
    pub(super) fn scopes(&self, read: impl FnOnce(&ExecutableDocument) -> Scopes) -> &Scopes {
        self.0.scopes.get_or_init(|| read(&self.0.parsed))
    }

    /// Takes note that it was validated.
    pub fn was_valid(&self) {
        self.0.is_valid.store(true, Ordering::Relaxed);
    }
}

fn merges_lists(document: &ExecutableDocument) -> bool {
    /// Whether the fields of `set` that have selections of their own, fragments spread, share a key. A fragment that is spread
    /// twice counts as if they did.
    fn shares<'a>(document: &'a ExecutableDocument, set: &'a SelectionSet, seen: &mut Seen<'a>) -> bool {
        set.items.iter().any(|selection| match &selection.node {
            Selection::Field(field) if field.node.selection_set.node.items.is_empty() => false,
            Selection::Field(field) => !seen.keys.insert(&field.node.response_key().node),
            Selection::InlineFragment(part) => shares(document, &part.node.selection_set.node, seen),
            Selection::FragmentSpread(part) => {
                let name = &part.node.fragment_name.node;
                let part = document.fragments.get(name).map(|part| &part.node.selection_set.node);
                !seen.fragments.insert(name) || part.is_some_and(|part| shares(document, part, seen))
            }
        })
    }
    #[derive(Default)]
    struct Seen<'a> {
        keys: HashSet<&'a Name>,
        fragments: HashSet<&'a Name>,
    }
    let operations = document.operations.iter().map(|(_, operation)| &operation.node.selection_set);
    let inner = fields(document).map(|field| &field.selection_set);
    operations.chain(inner).any(|set| shares(document, &set.node, &mut Seen::default()))
}

/// Refuses documents that would keep the engine busy for long, or overflow its stack.
pub fn check_size(document: &ExecutableDocument) -> Result<(), ServerError> {
    let refuse = |message: String| Err(ServerError::new(message, None));
    if document.fragments.len() > MOST_FRAGMENTS {
        return refuse(format!("a document has at most {MOST_FRAGMENTS} fragments"));
    }
    let mut known = HashMap::new();
    let mut selections = 0_usize;
    for (_, operation) in document.operations.iter() {
        let more = count_selections(document, &operation.node.selection_set.node, &mut known);
        selections = selections.saturating_add(more);
    }
    if selections > MOST_SELECTIONS {
        return refuse(format!("a document has at most {MOST_SELECTIONS} selections, its fragments spread"));
    }
    // What stands for a variable is checked with the variables.
    let literals = fields(document)
        .flat_map(|field| &field.arguments)
        .filter_map(|(_, value)| value.node.clone().into_const_with(|_| Ok::<_, ServerError>(Value::Null)).ok());
    let variables = document.operations.iter().flat_map(|(_, operation)| &operation.node.variable_definitions);
    let defaults =
        variables.filter_map(|variable| variable.node.default_value.as_ref()).map(|value| value.node.clone());
    if literals.chain(defaults).any(|value| is_deep(&value, DEEPEST_VALUE)) { Err(too_deep()) } else { Ok(()) }
}

/// Refuses what may not stand at a `__typename`, where the engine does not look.
pub fn check_typenames(document: &ExecutableDocument) -> Result<(), ServerError> {
    let refuse = |message: String, pos| Err(ServerError::new(message, Some(pos)));
    for Field { name, arguments, directives, selection_set, .. } in fields(document) {
        if name.node != "__typename" {
            continue;
        }
        if !arguments.is_empty() || !selection_set.node.items.is_empty() {
            return refuse("__typename takes no arguments and has no fields".to_owned(), name.pos);
        }
        for Positioned { pos, node: directive } in directives {
            let given = &directive.name.node;
            if given != "skip" && given != "include" {
                return refuse(format!("Unknown directive \"{given}\""), *pos);
            }
            let condition = |name: Name| if is_condition(document, &name) { Ok(Value::Boolean(true)) } else { Err(()) };
            let is_it = |value: Result<Value, ()>| matches!(value, Ok(Value::Boolean(_)));
            let arguments = &directive.arguments;
            if arguments.len() != 1
                || arguments
                    .iter()
                    .any(|(name, value)| name.node != "if" || !is_it(value.node.clone().into_const_with(condition)))
            {
                return refuse(format!("@{given} takes one argument, if: Boolean!"), *pos);
            }
        }
    }
    Ok(())
}

/// Whether operations have a variable of this name, and all that do take `Boolean!` for it, or have a default.
fn is_condition(document: &ExecutableDocument, name: &Name) -> bool {
    let variables = document.operations.iter().flat_map(|(_, operation)| &operation.node.variable_definitions);
    let mut named = variables.filter(|variable| variable.node.name.node == *name).peekable();
    named.peek().is_some()
        && named.all(|Positioned { node: variable, .. }| {
            let is_given = !variable.var_type.node.nullable || variable.default_value.is_some();
            is_given && matches!(&variable.var_type.node.base, BaseType::Named(ty) if ty == "Boolean")
        })
}

/// Refuses subscriptions with more than one root field: each event answers one.
pub fn check_subscriptions(document: &ExecutableDocument) -> Result<(), ServerError> {
    fn roots(document: &ExecutableDocument, set: &SelectionSet, levels: usize) -> usize {
        let count = |selection: &Positioned<Selection>| match &selection.node {
            Selection::Field(_) => 1,
            _ if levels == 0 => 0,
            Selection::InlineFragment(part) => roots(document, &part.node.selection_set.node, levels - 1),
            Selection::FragmentSpread(spread) => {
                let part = document.fragments.get(&spread.node.fragment_name.node);
                part.map_or(0, |part| roots(document, &part.node.selection_set.node, levels - 1))
            }
        };
        set.items.iter().map(count).sum()
    }
    let mut operations = document.operations.iter().map(|(_, operation)| &operation.node);
    let has_more = operations.any(|operation| {
        operation.ty == OperationType::Subscription && roots(document, &operation.selection_set.node, DEEPEST_VALUE) > 1
    });
    if has_more { Err(ServerError::new("a subscription has one root field", None)) } else { Ok(()) }
}

/// How many selections `set` has, fragments spread.
fn count_selections<'a>(
    document: &'a ExecutableDocument,
    set: &'a SelectionSet,
    known: &mut HashMap<&'a Name, usize>,
) -> usize {
    let count = |selection: &'a Positioned<Selection>| match &selection.node {
        Selection::Field(field) => count_selections(document, &field.node.selection_set.node, known).saturating_add(1),
        Selection::InlineFragment(part) => count_selections(document, &part.node.selection_set.node, known),
        Selection::FragmentSpread(spread) => {
            let name = &spread.node.fragment_name.node;
            if let Some(count) = known.get(name) {
                return *count;
            }
            // A fragment that spreads itself is refused by the engine.
            known.insert(name, 0);
            let part = document.fragments.get(name);
            let count = part.map_or(0, |part| count_selections(document, &part.node.selection_set.node, known));
            known.insert(name, count.saturating_add(1));
            count.saturating_add(1)
        }
    };
    set.items.iter().map(count).fold(0, usize::saturating_add)
}

/// Every field of a document, each as often as it is written.
pub(super) fn fields(document: &ExecutableDocument) -> impl Iterator<Item = &Field> {
    fn collect<'a>(set: &'a SelectionSet, found: &mut Vec<&'a Field>) {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => {
                    found.push(&field.node);
                    collect(&field.node.selection_set.node, found);
                }
                Selection::InlineFragment(part) => collect(&part.node.selection_set.node, found),
                Selection::FragmentSpread(_) => {}
            }
        }
    }
    let mut found = Vec::new();
    let operations = document.operations.iter().map(|(_, operation)| &operation.node.selection_set);
    for set in operations.chain(document.fragments.values().map(|part| &part.node.selection_set)) {
        collect(&set.node, &mut found);
    }
    found.into_iter()
}

fn too_deep() -> ServerError {
    ServerError::new(format!("a value has at most {DEEPEST_VALUE} objects and lists within each other"), None)
}

/// Whether `value` has more than so many objects and lists within each other.
fn is_deep(value: &Value, levels: usize) -> bool {
    let within = |value: &Value| levels == 0 || is_deep(value, levels - 1);
    match value {
        Value::List(items) => items.iter().any(within),
        Value::Object(members) => members.values().any(within),
        _ => false,
    }
}
