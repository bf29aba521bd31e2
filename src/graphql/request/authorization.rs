//! Authorization: collects the scopes that an operation requires from the `@access` directives of the schema. It covers all
//! operations: of GraphQL, of REST, and subscriptions.

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
    graphql::request::document::{Document, DocumentOperation},
};

/// The scopes that each type requires.
pub(crate) struct Requirements(HashMap<Name, TypeRequirements>);

#[derive(Default)]
struct TypeRequirements {
    scope: Option<Scope>,
    /// What each field requires in addition.
    fields: HashMap<Name, Option<Scope>>,
}

fn scope(directives: &[Positioned<ConstDirective>]) -> Option<Scope> {
    let directive = directives.iter().find(|given| given.node.name.node == "access")?;
    Scope::parse(Some(directive.node.get_argument("scope")?.node.clone())).ok()
}

/// The root types of queries, mutations and subscriptions.
const ROOTS: [&str; 3] = ["Query", "Mutation", "Subscription"];

impl Requirements {
    /// Reads the requirements of a schema.
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
            let requirements =
                TypeRequirements { scope: scope(&ty.node.directives), fields: fields.into_iter().map(field).collect() };
            Some((ty.node.name.node, requirements))
        });
        Self(types.collect())
    }

    /// Returns the scopes that an operation of `document` requires; those of all operations if none has that name.
    pub(crate) fn of_operation(&self, document: &Document, name: Option<&str>) -> Vec<Scope> {
        let of_one = |operation| self.scopes(document, operation).to_vec();
        let selected = document.operation(name).map(of_one);
        selected.unwrap_or_else(|_| document.operations().iter().flat_map(of_one).collect())
    }

    fn scopes<'a>(&self, document: &Document, operation: &'a DocumentOperation) -> &'a [Scope] {
        operation.scopes(|| self.of_selections(document.parsed(), operation.selection_set()))
    }

    /// Returns the scopes that the operations of an invalid document require, as far as it was parsed: at least those of their
    /// root types.
    pub(crate) fn of_invalid(&self, document: &ExecutableDocument) -> Vec<Scope> {
        let of_operation = |operation: &Operation| {
            let set = &operation.selection_set;
            // The subscription type has no scope of its own, only its fields have.
            let root = self.0.get(set.ty.as_str()).and_then(|ty| ty.scope).unwrap_or(Scope::Read);
            self.of_selections(document, set).into_iter().chain([root])
        };
        document.operations.iter().flat_map(|operation| of_operation(operation)).collect()
    }

    fn of_selections(&self, document: &ExecutableDocument, set: &SelectionSet) -> Vec<Scope> {
        let mut collector = ScopeCollector { requirements: self, document, found: Vec::new(), visited: HashSet::new() };
        collector.visit(set);
        collector.found
    }
}

/// Collects the scopes of selections.
struct ScopeCollector<'a> {
    requirements: &'a Requirements,
    document: &'a ExecutableDocument,
    found: Vec<Scope>,
    /// Fragments that were visited: their type does not depend on where they are spread.
    visited: HashSet<&'a str>,
}

impl<'a> ScopeCollector<'a> {
    fn visit(&mut self, set: &'a SelectionSet) {
        let ty = self.requirements.0.get(set.ty.as_str());
        for selection in &set.selections {
            match selection {
                Selection::Field(field) => {
                    let of_field = ty.and_then(|ty| *ty.fields.get(field.name.as_str())?);
                    let scopes = [ty.and_then(|ty| ty.scope), of_field];
                    for scope in scopes {
                        self.add(scope);
                    }
                    let is_there = ty.is_some_and(|ty| ty.fields.contains_key(field.name.as_str()));
                    if scopes == [None, None] && is_there && ROOTS.contains(&set.ty.as_str()) {
                        // A root field without a scope requires ADMIN: forgetting the directive must not open it.
                        self.add(Some(Scope::Admin));
                    }
                    if let Some(inner) = &field.selection_set {
                        self.visit(inner);
                    }
                }
                Selection::InlineFragment(part) => self.visit(&part.selection_set),
                Selection::FragmentSpread(spread) => {
                    let name = spread.fragment_name.as_str();
                    if let (Some(part), true) = (self.document.fragments.get(name), self.visited.insert(name)) {
                        self.visit(&part.selection_set);
                    }
                }
            }
        }
    }

    fn add(&mut self, scope: Option<Scope>) {
        if let Some(scope) = scope.filter(|scope| !self.found.contains(scope)) {
            self.found.push(scope);
        }
    }
}
