//! The validation rules that apollo-compiler 2.0.0-beta.2 lacks or implements differently.

use std::collections::HashSet;

use apollo_compiler::{
    ExecutableDocument, Name, Node, Schema,
    ast::{InputValueDefinition, Type, Value, VariableDefinition},
    executable::{DirectiveList, Operation, Selection, SelectionSet},
    parser::SourceSpan,
    schema::ExtendedType,
    validation::Valid,
};

use crate::graphql::{
    limits::MAX_DIAGNOSTICS,
    request::{
        collect_fields::{Collector, Given},
        validation::diagnostic::Diagnostic,
    },
};

/// Returns the errors of a document in which apollo-compiler found none.
pub fn violations(schema: &Valid<Schema>, document: &Valid<ExecutableDocument>) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    for operation in document.operations.iter() {
        let mut validator = Validator { schema, document, operation, visited: HashSet::new(), diagnostics };
        validator.validate();
        diagnostics = validator.diagnostics;
    }
    diagnostics
}

/// Validates an operation with the fragments that it spreads.
struct Validator<'a> {
    schema: &'a Schema,
    document: &'a Valid<ExecutableDocument>,
    operation: &'a Node<Operation>,
    visited: HashSet<&'a Name>,
    diagnostics: Vec<Diagnostic>,
}

/// What is expected where a value is.
#[derive(Clone, Copy)]
struct Expected<'a> {
    /// The expected type; `None` inside a custom scalar.
    ty: Option<&'a Type>,
    /// Whether it must not be null.
    is_required: bool,
}

impl<'a> Expected<'a> {
    fn of(definition: Option<&'a Node<InputValueDefinition>>) -> Self {
        let has_default = definition.is_some_and(|definition| definition.default_value.is_some());
        let expected = Self::of_type(definition.map(|definition| &*definition.ty));
        Self { is_required: expected.is_required && !has_default, ..expected }
    }

    fn of_type(ty: Option<&'a Type>) -> Self {
        Self { ty, is_required: ty.is_some_and(Type::is_non_null) }
    }
}

impl<'a> Validator<'a> {
    fn report(&mut self, span: Option<SourceSpan>, reason: impl Into<String>) {
        self.add(Diagnostic::new(span, &self.document.sources, reason));
    }

    /// Adds an error once: several operations may spread the fragment that has it.
    fn add(&mut self, diagnostic: Diagnostic) {
        if self.diagnostics.len() < MAX_DIAGNOSTICS && !self.diagnostics.contains(&diagnostic) {
            self.diagnostics.push(diagnostic);
        }
    }

    fn validate(&mut self) {
        let operation = self.operation;
        for variable in &operation.variables {
            if let Some(default) = &variable.default_value {
                self.value(default, Expected::of_type(Some(&variable.ty)));
            }
            self.directives(&variable.directives);
        }
        self.directives(&operation.directives);
        self.selection_set(&operation.selection_set, operation.location());
        // Fields of one response name must have the same arguments, with lists compared to their ends.
        let mut collector = Collector::new(self.schema, self.document, Given::Everything);
        let roots = collector.operation(operation).items.len();
        for (span, reason) in collector.conflicts {
            self.report(span, reason);
        }
        if operation.is_subscription() && roots > 1 {
            self.report(
                operation.location(),
                "a subscription has one root field: ask for each in an operation of its own",
            );
        }
    }

    fn selection_set(&mut self, set: &'a SelectionSet, span: Option<SourceSpan>) {
        // apollo-compiler follows the edition of September 2026 here; the grammar of 2025 requires a selection.
        if set.selections.is_empty() {
            let reason =
                format!("syntax error: the selection set of a `{}` is empty: ask for at least one field", set.ty);
            let diagnostic = Diagnostic::new(span, &self.document.sources, reason);
            self.add(Diagnostic { is_syntax: true, ..diagnostic });
        }
        for selection in &set.selections {
            self.directives(selection.directives());
            match selection {
                Selection::Field(field) => {
                    for argument in &field.arguments {
                        let definition = field.definition.argument_by_name(&argument.name);
                        self.value(&argument.value, Expected::of(definition));
                    }
                    if let Some(inner) = &field.selection_set {
                        self.selection_set(inner, field.location());
                    }
                }
                Selection::InlineFragment(part) => self.selection_set(&part.selection_set, part.location()),
                Selection::FragmentSpread(spread) => {
                    let fragment = self.document.fragments.get(&spread.fragment_name);
                    if let (Some(fragment), true) = (fragment, self.visited.insert(&spread.fragment_name)) {
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
                let definition = definition.and_then(|definition| definition.argument_by_name(&argument.name));
                self.value(&argument.value, Expected::of(definition));
            }
        }
    }

    fn value(&mut self, value: &'a Node<Value>, expected: Expected<'a>) {
        match &**value {
            Value::Variable(name) => self.variable(value, name, expected),
            Value::List(items) => {
                let ty = expected.ty.map(|ty| if ty.is_list() { ty.item_type() } else { ty });
                for item in items {
                    self.value(item, Expected::of_type(ty));
                }
            }
            Value::Object(members) => self.object(value, members, expected),
            _ => {}
        }
    }

    fn object(&mut self, value: &'a Node<Value>, members: &'a [(Name, Node<Value>)], expected: Expected<'a>) {
        let definition = expected.ty.and_then(|ty| self.schema.types.get(ty.inner_named_type()));
        let fields = match definition {
            Some(ExtendedType::InputObject(definition)) => Some(&definition.fields),
            _ => None,
        };
        // Its one member must have a value.
        let is_one_of = matches!(definition, Some(ExtendedType::InputObject(one)) if one.directives.has("oneOf"));
        let mut given = HashSet::new();
        for (name, member) in members {
            if !given.insert(name) {
                self.report(name.location().or(value.location()), format!("the input field `{name}` is given twice"));
            }
            let field = fields.and_then(|fields| fields.get(name));
            let expected = Expected::of(field);
            self.value(member, Expected { is_required: expected.is_required || is_one_of, ..expected });
        }
    }

    fn variable(&mut self, value: &Node<Value>, name: &Name, expected: Expected<'_>) {
        let definition = self.operation.variables.iter().find(|variable| variable.name == *name);
        let Some(VariableDefinition { ty, default_value, .. }) = definition.map(|node| &**node) else {
            // apollo-compiler does not validate the values of custom scalars.
            return self.report(value.location(), format!("variable `${name}` is not defined"));
        };
        let is_null = default_value.as_ref().is_some_and(|default| default.is_null());
        if expected.is_required && !ty.is_non_null() && is_null {
            self.report(
                value.location(),
                format!("variable `${name}` may be null where a value is required: declare it as `{ty}!`"),
            );
        }
    }
}
