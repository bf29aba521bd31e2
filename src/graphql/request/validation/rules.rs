//! The rules that apollo-compiler 2.0.0-beta.2 lacks or takes differently.

use std::collections::HashSet;

use apollo_compiler::{
    ExecutableDocument, Name, Node, Schema,
    ast::{InputValueDefinition, Type, Value, VariableDefinition},
    executable::{DirectiveList, Operation, Selection, SelectionSet},
    parser::SourceSpan,
    schema::ExtendedType,
    validation::Valid,
};

use crate::graphql::request::{
    collect_fields::{Collector, Given},
    validation::problem::{MOST_PROBLEMS, Problem},
};

/// What is wrong with a document in which the library found nothing.
pub fn broken(schema: &Valid<Schema>, document: &Valid<ExecutableDocument>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for operation in document.operations.iter() {
        let mut reading = Reading { schema, document, operation, spread: HashSet::new(), problems };
        reading.read();
        problems = reading.problems;
    }
    problems
}

/// An operation that is gone through, with the fragments that it spreads.
struct Reading<'a> {
    schema: &'a Schema,
    document: &'a Valid<ExecutableDocument>,
    operation: &'a Node<Operation>,
    spread: HashSet<&'a Name>,
    problems: Vec<Problem>,
}

/// Where a value stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    /// The type expected there; unknown inside a scalar of the schema's own.
    ty: Option<&'a Type>,
    has_default: bool,
}

impl<'a> Place<'a> {
    fn of(definition: Option<&'a Node<InputValueDefinition>>) -> Self {
        Self {
            ty: definition.map(|definition| &*definition.ty),
            has_default: definition.is_some_and(|definition| definition.default_value.is_some()),
        }
    }
}

impl<'a> Reading<'a> {
    fn tell(&mut self, span: Option<SourceSpan>, reason: impl Into<String>) {
        self.add(Problem::new(span, &self.document.sources, reason));
    }

    /// Adds a problem that is not known yet: several operations may come upon the same one in a fragment.
    fn add(&mut self, problem: Problem) {
        if self.problems.len() < MOST_PROBLEMS && !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn read(&mut self) {
        let operation = self.operation;
        for variable in &operation.variables {
            if let Some(default) = &variable.default_value {
                self.value(default, Place { ty: Some(&variable.ty), has_default: false });
            }
            self.directives(&variable.directives);
        }
        self.directives(&operation.directives);
        self.selection_set(&operation.selection_set, operation.location());
        // Fields of one response name have the same arguments, lists compared to their ends.
        let mut collector = Collector::new(self.schema, self.document, Given::Everything);
        let roots = collector.operation(operation).items.len();
        for (span, reason) in collector.conflicts {
            self.tell(span, reason);
        }
        if operation.is_subscription() && roots > 1 {
            self.tell(
                operation.location(),
                "a subscription has one root field: ask for each in an operation of its own",
            );
        }
    }

    fn selection_set(&mut self, set: &'a SelectionSet, span: Option<SourceSpan>) {
        // The library follows the edition of September 2026 in this: in that of 2025 the grammar wants a selection.
        if set.selections.is_empty() {
            let reason =
                format!("syntax error: the selection set of a `{}` is empty: ask for at least one field", set.ty);
            let problem = Problem::new(span, &self.document.sources, reason);
            self.add(Problem { is_syntax: true, ..problem });
        }
        for selection in &set.selections {
            self.directives(selection.directives());
            match selection {
                Selection::Field(field) => {
                    for argument in &field.arguments {
                        let definition = field.definition.argument_by_name(&argument.name);
                        self.value(&argument.value, Place::of(definition));
                    }
                    if let Some(inner) = &field.selection_set {
                        self.selection_set(inner, field.location());
                    }
                }
                Selection::InlineFragment(part) => self.selection_set(&part.selection_set, part.location()),
                Selection::FragmentSpread(spread) => {
                    let fragment = self.document.fragments.get(&spread.fragment_name);
                    if let (Some(fragment), true) = (fragment, self.spread.insert(&spread.fragment_name)) {
                        self.directives(&fragment.directives);
                        self.selection_set(&fragment.selection_set, fragment.location());
                    }
                }
            }
        }
    }

    fn directives(&mut self, directives: &'a DirectiveList) {
        for directive in directives {
            let definition = self.schema.directive_definitions.get(&directive.name);
            for argument in &directive.arguments {
                let place = definition.and_then(|definition| definition.argument_by_name(&argument.name));
                self.value(&argument.value, Place::of(place));
            }
        }
    }

    fn value(&mut self, value: &'a Node<Value>, place: Place<'a>) {
        match &**value {
            Value::Variable(name) => self.variable(value, name, place),
            Value::List(items) => {
                let ty = place.ty.map(|ty| if ty.is_list() { ty.item_type() } else { ty });
                for item in items {
                    self.value(item, Place { ty, has_default: false });
                }
            }
            Value::Object(members) => self.object(value, members, place),
            _ => {}
        }
    }

    fn object(&mut self, value: &'a Node<Value>, members: &'a [(Name, Node<Value>)], place: Place<'a>) {
        let definition = place.ty.and_then(|ty| self.schema.types.get(ty.inner_named_type()));
        let fields = match definition {
            Some(ExtendedType::InputObject(definition)) => Some(&definition.fields),
            _ => None,
        };
        let mut given = HashSet::new();
        for (name, member) in members {
            if !given.insert(name) {
                self.tell(name.location().or(value.location()), format!("the input field `{name}` is given twice"));
            }
            let field = fields.and_then(|fields| fields.get(name));
            self.value(member, Place::of(field));
        }
    }

    fn variable(&mut self, value: &Node<Value>, name: &Name, place: Place<'_>) {
        let definition = self.operation.variables.iter().find(|variable| variable.name == *name);
        let Some(VariableDefinition { ty, default_value, .. }) = definition.map(|node| &**node) else {
            // The library does not look into scalars of the schema's own.
            return self.tell(value.location(), format!("variable `${name}` is not defined"));
        };
        let is_null = default_value.as_ref().is_some_and(|default| default.is_null());
        let is_required = place.ty.is_some_and(Type::is_non_null) && !place.has_default;
        if is_required && !ty.is_non_null() && is_null {
            self.tell(
                value.location(),
                format!("variable `${name}` may be null, and stands where a value is required: declare it as `{ty}!`"),
            );
        }
    }
}
