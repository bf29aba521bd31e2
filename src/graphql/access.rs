//! Who may ask what: the schema says which scope a field takes, and here an operation is held against the scopes of its caller. All
//! operations come this way, whether REST, GraphQL or a subscription brings them.

use std::collections::{HashMap, HashSet};

use async_graphql::{
    InputType, Name, Positioned, Response, TypeDirective,
    parser::{
        parse_schema,
        types::{
            BaseType, ConstDirective, ExecutableDocument, FieldDefinition, OperationType, Selection, SelectionSet,
            Type, TypeKind, TypeSystemDefinition,
        },
    },
};

use super::{Document, as_server_error};
use crate::{config::Scope, error::Error};

/// Takes a token of this scope, or of ADMIN, unless the server lets everybody in (`--access`).
#[TypeDirective(location = "Object", location = "FieldDefinition")]
pub fn access(#[graphql(desc = "The scope; what a field takes adds to what its type takes.")] scope: Scope) {}

/// The scopes that the operations of a document take, by their names.
pub(super) type Scopes = Vec<(Option<Name>, Vec<Scope>)>;

/// What each field takes, as the schema says.
pub(super) struct Requirements(HashMap<Name, Requires>);

#[derive(Default)]
struct Requires {
    scope: Option<Scope>,
    /// The scope of each field, and the type that it leads to.
    fields: HashMap<Name, (Option<Scope>, Name)>,
}

fn scope(directives: &[Positioned<ConstDirective>]) -> Option<Scope> {
    let directive = directives.iter().find(|given| given.node.name.node == "access")?;
    Scope::parse(Some(directive.node.get_argument("scope")?.node.clone())).ok()
}

fn named(ty: &Type) -> &Name {
    match &ty.base {
        BaseType::Named(name) => name,
        BaseType::List(item) => named(item),
    }
}

/// The types at which queries, mutations and subscriptions begin.
const ROOTS: [&str; 3] = ["Query", "Mutation", "Subscription"];

fn root(operation: OperationType) -> &'static str {
    let [query, mutation, subscription] = ROOTS;
    match operation {
        OperationType::Query => query,
        OperationType::Mutation => mutation,
        OperationType::Subscription => subscription,
    }
}

impl Requirements {
    /// Those of a schema.
    pub(super) fn of(sdl: &str) -> Self {
        let definitions = parse_schema(sdl).map(|document| document.definitions).unwrap_or_default();
        let types = definitions.into_iter().filter_map(|definition| {
            let TypeSystemDefinition::Type(ty) = definition else { return None };
            let fields = match ty.node.kind {
                TypeKind::Object(object) => object.fields,
                TypeKind::Interface(interface) => interface.fields,
                _ => return None,
            };
            let field = |Positioned { node, .. }: Positioned<FieldDefinition>| {
                (node.name.node, (scope(&node.directives), named(&node.ty.node).clone()))
            };
            let needed =
                Requires { scope: scope(&ty.node.directives), fields: fields.into_iter().map(field).collect() };
            Some((ty.node.name.node, needed))
        });
        Self(types.collect())
    }

    /// The scopes that one operation of `document` takes; those of all, where none has that name.
    pub(super) fn of_operation(&self, document: &Document, name: Option<&str>) -> Vec<Scope> {
        let scopes = document.scopes(|parsed| self.read(parsed));
        let chosen = name.and_then(|name| scopes.iter().find(|(known, _)| known.as_deref() == Some(name)));
        match chosen {
            Some((_, scopes)) => scopes.clone(),
            None => scopes.iter().flat_map(|(_, scopes)| scopes.clone()).collect(),
        }
    }

    fn read(&self, document: &ExecutableDocument) -> Scopes {
        let scopes = document.operations.iter().map(|(name, operation)| {
            let mut reading = Reading { requirements: self, document, found: Vec::new(), seen: HashSet::new() };
            reading.set(&Name::new(root(operation.node.ty)), &operation.node.selection_set.node);
            (name.cloned(), reading.found)
        });
        scopes.collect()
    }
}

/// An operation that is gone through.
struct Reading<'a> {
    requirements: &'a Requirements,
    document: &'a ExecutableDocument,
    found: Vec<Scope>,
    /// Fragments, each of which says what type it is on: once is enough.
    seen: HashSet<&'a Name>,
}

impl<'a> Reading<'a> {
    /// Selections of a type. What the schema does not know is left to the engine, which refuses it.
    fn set(&mut self, ty: &Name, set: &'a SelectionSet) {
        let known = self.requirements.0.get(ty);
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => {
                    let field_known = known.and_then(|known| known.fields.get(&field.node.name.node));
                    let scopes = [known.and_then(|known| known.scope), field_known.and_then(|(scope, _)| *scope)];
                    for scope in scopes {
                        self.take(scope);
                    }
                    if scopes == [None, None] && ROOTS.contains(&ty.as_str()) {
                        // A way in that the schema says nothing of is the admin's.
                        self.take(Some(Scope::Admin));
                    }
                    if let Some((_, leads_to)) = field_known {
                        self.set(leads_to, &field.node.selection_set.node);
                    }
                }
                Selection::InlineFragment(part) => {
                    let on = part.node.type_condition.as_ref().map_or(ty, |condition| &condition.node.on.node);
                    self.set(on, &part.node.selection_set.node);
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    if let (Some(part), true) = (self.document.fragments.get(name), self.seen.insert(name)) {
                        self.set(&part.node.type_condition.node.on.node, &part.node.selection_set.node);
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

/// The answer to whoever may not ask: the error's code in the extensions, and the scope that is lacking.
pub fn refusal(error: Error) -> Response {
    Response::from_errors(vec![as_server_error(error)])
}
