//! Who may ask what: the schema says which scope a field takes, and here an operation is held against the scopes of its caller. All
//! operations come this way, whether REST, GraphQL or a subscription brings them.

use std::collections::{HashMap, HashSet};

use apollo_compiler::{
    ExecutableDocument,
    executable::{Operation, Selection, SelectionSet},
};
use async_graphql::{
    InputType, Name, Positioned,
    parser::{
        parse_schema,
        types::{ConstDirective, FieldDefinition, TypeKind, TypeSystemDefinition},
    },
};

use crate::{
    config::Scope,
    graphql::request::document::{Asked, Document},
};

/// What each field takes, as the schema says.
pub(crate) struct Requirements(HashMap<Name, Requires>);

#[derive(Default)]
struct Requires {
    scope: Option<Scope>,
    /// The scope of each field.
    fields: HashMap<Name, Option<Scope>>,
}

fn scope(directives: &[Positioned<ConstDirective>]) -> Option<Scope> {
    let directive = directives.iter().find(|given| given.node.name.node == "access")?;
    Scope::parse(Some(directive.node.get_argument("scope")?.node.clone())).ok()
}

/// The types at which queries, mutations and subscriptions begin.
const ROOTS: [&str; 3] = ["Query", "Mutation", "Subscription"];

impl Requirements {
    /// Those of a schema.
    pub(crate) fn of(sdl: &str) -> Self {
        let definitions = parse_schema(sdl).map(|document| document.definitions).unwrap_or_default();
        let types = definitions.into_iter().filter_map(|definition| {
            let TypeSystemDefinition::Type(ty) = definition else { return None };
            let fields = match ty.node.kind {
                TypeKind::Object(object) => object.fields,
                TypeKind::Interface(interface) => interface.fields,
                _ => return None,
            };
            let field =
                |Positioned { node, .. }: Positioned<FieldDefinition>| (node.name.node, scope(&node.directives));
            let needed =
                Requires { scope: scope(&ty.node.directives), fields: fields.into_iter().map(field).collect() };
            Some((ty.node.name.node, needed))
        });
        Self(types.collect())
    }

    /// The scopes that one operation of `document` takes; those of all, where none has that name.
    pub(crate) fn of_operation(&self, document: &Document, name: Option<&str>) -> Vec<Scope> {
        match document.operation(name) {
            Ok(asked) => self.scopes(document, asked).to_vec(),
            Err(_) => document.operations().iter().flat_map(|asked| self.scopes(document, asked).to_vec()).collect(),
        }
    }

    fn scopes<'a>(&self, document: &Document, asked: &'a Asked) -> &'a [Scope] {
        asked.scopes(|| self.of_selections(document.parsed(), asked.selection_set()))
    }

    /// The scopes that the operations of a document take that is not valid, as far as it can be read: those of the types at which
    /// they begin in any case.
    pub(crate) fn of_parts(&self, document: &ExecutableDocument) -> Vec<Scope> {
        let of_operation = |operation: &Operation| {
            let set = &operation.selection_set;
            // Of subscriptions only the fields say what they take.
            let begins = self.0.get(set.ty.as_str()).and_then(|known| known.scope).unwrap_or(Scope::Read);
            self.of_selections(document, set).into_iter().chain([begins])
        };
        document.operations.iter().flat_map(|operation| of_operation(operation)).collect()
    }

    fn of_selections(&self, document: &ExecutableDocument, set: &SelectionSet) -> Vec<Scope> {
        let mut reading = Reading { requirements: self, document, found: Vec::new(), seen: HashSet::new() };
        reading.set(set);
        reading.found
    }
}

/// An operation that is gone through.
struct Reading<'a> {
    requirements: &'a Requirements,
    document: &'a ExecutableDocument,
    found: Vec<Scope>,
    /// Fragments, each of which says what type it is on: once is enough.
    seen: HashSet<&'a str>,
}

impl<'a> Reading<'a> {
    fn set(&mut self, set: &'a SelectionSet) {
        let known = self.requirements.0.get(set.ty.as_str());
        for selection in &set.selections {
            match selection {
                Selection::Field(field) => {
                    let of_field = known.and_then(|known| *known.fields.get(field.name.as_str())?);
                    let scopes = [known.and_then(|known| known.scope), of_field];
                    for scope in scopes {
                        self.take(scope);
                    }
                    if scopes == [None, None] && ROOTS.contains(&set.ty.as_str()) {
                        // A way in that the schema says nothing of is the admin's.
                        self.take(Some(Scope::Admin));
                    }
                    if let Some(inner) = &field.selection_set {
                        self.set(inner);
                    }
                }
                Selection::InlineFragment(part) => self.set(&part.selection_set),
                Selection::FragmentSpread(spread) => {
                    let name = spread.fragment_name.as_str();
                    if let (Some(part), true) = (self.document.fragments.get(name), self.seen.insert(name)) {
                        self.set(&part.selection_set);
                    }
                }
            }
        }
    }

    fn take(&mut self, scope: Option<Scope>) {
        if let Some(scope) = scope.filter(|scope| !self.found.contains(scope)) {
            self.found.push(scope);
        }
    }
}
