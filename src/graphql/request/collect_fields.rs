//! Collects the fields of an operation as the specification has it (section 6.3.2, `CollectFields`): one field per response name,
//! with the selections of all fields of that name. The engine runs the result.
//!
//! By itself, the engine runs fields as they are written: a mutation that is written twice would be stored twice. So nothing is left
//! to its interpretation: fragments are spread, `@skip` and `@include` evaluated, and arguments without a value removed.

use std::collections::HashSet;

use apollo_compiler::{
    ExecutableDocument, Name, Node, Schema,
    ast::{Argument, Value},
    collections::IndexMap,
    executable::{DirectiveList, Field, Operation, OperationType, Selection, SelectionSet},
    parser::SourceSpan,
    schema::ExtendedType,
    validation::Valid,
};
use async_graphql::{
    Name as EngineName, Pos, Positioned, Value as ConstValue, Variables,
    parser::types::{
        Field as EngineField, InlineFragment, Selection as EngineSelection, SelectionSet as EngineSet, TypeCondition,
    },
};
use async_graphql_value::Value as EngineValue;
use serde_json::Number;

/// The values of variables while fields are collected.
#[derive(Clone, Copy)]
pub(crate) enum Given<'a> {
    /// No values: every field is collected that some values may include.
    Everything,
    /// The coerced values of a request.
    Values(&'a Variables),
}

/// The fields by response name, in order of their first occurrence.
type Groups<'d> = IndexMap<&'d Name, Vec<&'d Node<Field>>>;

/// The groups without their names.
type FieldsByName<'d> = Vec<Vec<&'d Node<Field>>>;

/// Collects the fields of one operation.
pub(crate) struct Collector<'d> {
    schema: &'d Schema,
    document: &'d Valid<ExecutableDocument>,
    given: Given<'d>,
    /// Fields of one response name whose arguments differ. Validation has checked `FieldsInSetCanMerge` before, except that it does
    /// not compare lists to their ends.
    pub conflicts: Vec<(Option<SourceSpan>, String)>,
    /// Where the response has the description of the schema, as response names.
    pub descriptions: Vec<[EngineName; 2]>,
}

impl<'d> Collector<'d> {
    /// Builds a collector that has collected nothing.
    pub(crate) fn new(schema: &'d Schema, document: &'d Valid<ExecutableDocument>, given: Given<'d>) -> Self {
        Self { schema, document, given, conflicts: Vec::new(), descriptions: Vec::new() }
    }

    /// Collects the fields of an operation.
    pub(crate) fn operation(&mut self, operation: &'d Operation) -> EngineSet {
        self.merged(&operation.selection_set.ty, &[&operation.selection_set])
    }

    /// Merges `sets`, which all select from one object of the type `parent`.
    fn merged(&mut self, parent: &'d Name, sets: &[&'d SelectionSet]) -> EngineSet {
        let Some(ExtendedType::Interface(_) | ExtendedType::Union(_)) = self.schema.types.get(parent) else {
            let groups = self.collect(parent, sets);
            return EngineSet { items: groups.iter().map(|(_, fields)| self.field(parent, fields)).collect() };
        };
        let types = self.possible_types(parent);
        let lists: Vec<FieldsByName> = types.iter().map(|ty| self.collect(ty, sets).into_values().collect()).collect();
        let Some(first) = lists.first() else { return EngineSet::default() };
        // The common prefix and suffix are written once; in between, each type has a fragment.
        let (prefix, suffix) = common_ends(&lists);
        let mut items: Vec<_> = first[..prefix].iter().map(|fields| self.field(parent, fields)).collect();
        for (ty, list) in types.iter().zip(&lists) {
            let own = &list[prefix..list.len() - suffix];
            if let Some(pos) = own.first().map(|fields| self.pos(fields[0].location())) {
                let own = own.iter().map(|fields| self.field(ty, fields)).collect();
                let on = Positioned::new(EngineName::new(ty), pos);
                let part = InlineFragment {
                    type_condition: Some(Positioned::new(TypeCondition { on }, pos)),
                    directives: Vec::new(),
                    selection_set: Positioned::new(EngineSet { items: own }, pos),
                };
                items.push(Positioned::new(EngineSelection::InlineFragment(Positioned::new(part, pos)), pos));
            }
        }
        items.extend(first[first.len() - suffix..].iter().map(|fields| self.field(parent, fields)));
        EngineSet { items }
    }

    /// Returns the object types of an abstract type.
    fn possible_types(&self, of: &Name) -> Vec<&'d Name> {
        let types = self.schema.types.iter();
        types.filter(|(name, ty)| ty.is_object() && self.applies(of, name)).map(|(name, _)| name).collect()
    }

    /// Whether a fragment on `condition` applies to an object of the type `ty`.
    fn applies(&self, condition: &Name, ty: &Name) -> bool {
        condition == ty || self.schema.is_subtype(condition, ty)
    }

    /// `CollectFields` for an object of the type `ty`.
    fn collect(&self, ty: &Name, sets: &[&'d SelectionSet]) -> Groups<'d> {
        let (mut groups, mut visited) = (Groups::default(), HashSet::new());
        for set in sets {
            self.collect_into(ty, set, &mut visited, &mut groups);
        }
        groups
    }

    fn collect_into(&self, ty: &Name, set: &'d SelectionSet, visited: &mut HashSet<&'d Name>, groups: &mut Groups<'d>) {
        for selection in &set.selections {
            if !self.is_included(selection.directives()) {
                continue;
            }
            match selection {
                Selection::Field(field) => groups.entry(field.response_name()).or_default().push(field),
                Selection::InlineFragment(part) => {
                    if part.type_condition.as_ref().is_none_or(|condition| self.applies(condition, ty)) {
                        self.collect_into(ty, &part.selection_set, visited, groups);
                    }
                }
                Selection::FragmentSpread(spread) => {
                    let fragment = self.document.fragments.get(&spread.fragment_name);
                    if let (Some(fragment), true) = (fragment, visited.insert(&spread.fragment_name))
                        && self.applies(fragment.type_condition(), ty)
                    {
                        self.collect_into(ty, &fragment.selection_set, visited, groups);
                    }
                }
            }
        }
    }

    /// Evaluates `@skip` and `@include`.
    fn is_included(&self, directives: &DirectiveList) -> bool {
        let Given::Values(variables) = self.given else { return true };
        let condition = |directive: &str| {
            let value = directives.get(directive)?.specified_argument_by_name("if")?;
            match &**value {
                Value::Boolean(value) => Some(*value),
                Value::Variable(name) => match variables.get(name.as_str()) {
                    Some(ConstValue::Boolean(value)) => Some(*value),
                    _ => None,
                },
                _ => None,
            }
        };
        condition("skip") != Some(true) && condition("include") != Some(false)
    }

    /// Merges all fields of a response name into one.
    fn field(&mut self, parent: &Name, fields: &[&'d Node<Field>]) -> Positioned<EngineSelection> {
        let field = fields[0];
        if let Some(other) = fields.iter().find(|other| !have_same_arguments(field, other)) {
            let reason = format!("fields with the response name `{}` have different arguments", field.response_name());
            self.conflicts.push((other.location(), reason));
        }
        let sets: Vec<&SelectionSet> = fields.iter().filter_map(|field| field.selection_set.as_ref()).collect();
        let inner =
            if sets.is_empty() { EngineSet::default() } else { self.merged(field.ty().inner_named_type(), &sets) };
        self.note_description(parent, field, &inner);
        let pos = self.pos(field.location());
        let positioned = |name: &Name| Positioned::new(EngineName::new(name), pos);
        let field = EngineField {
            alias: field.alias.as_ref().map(positioned),
            name: positioned(&field.name),
            arguments: field.arguments.iter().filter_map(|argument| self.argument(field, argument)).collect(),
            directives: Vec::new(),
            selection_set: Positioned::new(inner, pos),
        };
        Positioned::new(EngineSelection::Field(Positioned::new(field, pos)), pos)
    }

    fn argument(
        &self,
        field: &Field,
        argument: &Argument,
    ) -> Option<(Positioned<EngineName>, Positioned<EngineValue>)> {
        let pos = self.pos(argument.value.location());
        let definition = field.definition.argument_by_name(&argument.name);
        let value = self.value(definition.map(|definition| definition.ty.inner_named_type()), &argument.value)?;
        Some((Positioned::new(EngineName::new(&argument.name), pos), Positioned::new(value, pos)))
    }

    /// Converts a value of the type `ty`; `None` for a variable without a value, so that the default of the argument applies.
    fn value(&self, ty: Option<&Name>, value: &Value) -> Option<EngineValue> {
        Some(match value {
            Value::Variable(name) => match self.given {
                Given::Values(variables) if !variables.contains_key(name.as_str()) => return None,
                _ => EngineValue::Variable(EngineName::new(name)),
            },
            Value::List(items) => {
                EngineValue::List(items.iter().map(|item| self.value(ty, item).unwrap_or_default()).collect())
            }
            Value::Object(members) => {
                let member = |(name, value): &(Name, Node<Value>)| {
                    Some((EngineName::new(name), self.value(self.type_of_member(ty, name), value)?))
                };
                EngineValue::Object(members.iter().filter_map(member).collect())
            }
            Value::Int(number) if ty.is_some_and(|ty| ty == "Tags") && number.as_str().parse::<i64>().is_err() => {
                EngineValue::Enum(EngineName::new(number.as_str()))
            }
            constant => constant_of(constant).into_value(),
        })
    }

    /// Returns the type of a member of an object of the type `ty`. The members of a scalar belong to the scalar.
    fn type_of_member<'t>(&'t self, ty: Option<&'t Name>, member: &str) -> Option<&'t Name> {
        match self.schema.types.get(ty?) {
            Some(ExtendedType::InputObject(definition)) => {
                definition.fields.get(member).map(|field| field.ty.inner_named_type())
            }
            _ => ty,
        }
    }

    fn pos(&self, span: Option<SourceSpan>) -> Pos {
        pos_of(self.document, span)
    }

    /// Notes where the response has the description of the schema: the engine returns a text there, but ours has none.
    fn note_description(&mut self, parent: &Name, field: &Field, inner: &EngineSet) {
        if field.name != "__schema"
            || self.schema.root_operation(OperationType::Query).is_none_or(|root| root != parent)
        {
            return;
        }
        for selection in &inner.items {
            if let EngineSelection::Field(inner) = &selection.node
                && inner.node.name.node == "description"
            {
                let keys = [EngineName::new(field.response_name()), inner.node.response_key().node.clone()];
                self.descriptions.push(keys);
            }
        }
    }
}

/// Returns the position of `span` in the text of its document.
pub(crate) fn pos_of(document: &ExecutableDocument, span: Option<SourceSpan>) -> Pos {
    let position = span.and_then(|span| span.line_column(&document.sources));
    position.map_or(Pos::default(), |position| Pos { line: position.line, column: position.column })
}

/// Converts a value without variables to the type of the engine.
pub(crate) fn constant_of(value: &Value) -> ConstValue {
    match value {
        Value::Null | Value::Variable(_) => ConstValue::Null,
        Value::Boolean(value) => ConstValue::Boolean(*value),
        Value::String(text) => ConstValue::String(text.clone()),
        Value::Enum(name) => ConstValue::Enum(EngineName::new(name)),
        Value::Int(number) => {
            let number = number.as_str();
            let whole = number.parse::<i64>().map(Number::from).or_else(|_| number.parse::<u64>().map(Number::from));
            whole.map_or_else(|_| float(number), ConstValue::Number)
        }
        Value::Float(number) => float(number.as_str()),
        Value::List(items) => ConstValue::List(items.iter().map(|item| constant_of(item)).collect()),
        Value::Object(members) => ConstValue::Object(
            members.iter().map(|(name, value)| (EngineName::new(name), constant_of(value))).collect(),
        ),
    }
}

/// Converts a number. Validation has refused those that 64 bits can not represent.
fn float(number: &str) -> ConstValue {
    number.parse().ok().and_then(Number::from_f64).map_or(ConstValue::Null, ConstValue::Number)
}

/// Returns the lengths of the common prefix of all lists and of the common suffix after it.
fn common_ends(lists: &[FieldsByName]) -> (usize, usize) {
    let [first, others @ ..] = lists else { return (0, 0) };
    let shortest = lists.iter().map(Vec::len).min().unwrap_or_default();
    let is_common = |i: &usize| others.iter().all(|list| are_same(&list[*i], &first[*i]));
    let prefix = (0..shortest).take_while(is_common).count();
    let is_common = |i: &usize| others.iter().all(|list| are_same(&list[list.len() - i], &first[first.len() - i]));
    let suffix = (1..=shortest - prefix).take_while(is_common).count();
    (prefix, suffix)
}

fn are_same(some: &[&Node<Field>], others: &[&Node<Field>]) -> bool {
    some.len() == others.len() && some.iter().zip(others).all(|(one, other)| one.ptr_eq(other))
}

fn have_same_arguments(some: &Field, other: &Field) -> bool {
    some.arguments.len() == other.arguments.len()
        && some.arguments.iter().all(|argument| {
            let twin = other.arguments.iter().find(|twin| twin.name == argument.name);
            twin.is_some_and(|twin| are_same_values(&argument.value, &twin.value))
        })
}

/// Whether two values are equal, regardless of the order of the members of objects.
fn are_same_values(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::List(some), Value::List(others)) => {
            some.len() == others.len() && some.iter().zip(others).all(|(one, other)| are_same_values(one, other))
        }
        (Value::Object(some), Value::Object(others)) => {
            some.len() == others.len()
                && some.iter().all(|(name, value)| {
                    let twin = others.iter().find(|(twin, _)| twin == name);
                    twin.is_some_and(|(_, twin)| are_same_values(value, twin))
                })
        }
        _ => one == other,
    }
}
