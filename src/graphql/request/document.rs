//! A validated document and the plans of its operations. The text is parsed once; a plan is what the engine runs.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use apollo_compiler::{
    ExecutableDocument, Node, Schema,
    ast::{Type as AstType, Value as AstValue},
    executable::{self, SelectionSet},
    validation::Valid,
};
use async_graphql::{
    Name, Positioned, ServerError, Value, Variables,
    parser::types::{
        BaseType, DocumentOperations, ExecutableDocument as EngineDocument, OperationDefinition, OperationType, Type,
        VariableDefinition,
    },
};

use crate::{
    config::{Limits, Scope},
    error::Code,
    graphql::{
        error::with_code,
        request::{
            collect_fields::{Collector, Given, constant_of, pos_of},
            document_limits::{OperationSize, operation_sizes},
            introspection::{self, Disclosure},
            selections::visit_selections,
        },
    },
};

/// Plans that are cached per operation. There is one per combination of its optional and deciding variables.
const MAX_PLANS: usize = 4;

/// A validated document.
#[derive(Debug, Clone)]
pub struct Document(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    schema: Arc<Valid<Schema>>,
    document: Valid<ExecutableDocument>,
    operations: Vec<DocumentOperation>,
    is_own: bool,
}

/// An operation of a document.
#[derive(Debug)]
pub(crate) struct DocumentOperation {
    operation: Node<executable::Operation>,
    size: OperationSize,
    /// Its variables, in the types of the engine.
    pub variables: Vec<Positioned<VariableDefinition>>,
    /// Variables of `@skip` and `@include`: a plan depends on their values.
    deciding: Vec<Name>,
    /// Variables that may have no value: a plan depends on whether they have one.
    optional: Vec<Name>,
    scopes: OnceLock<Vec<Scope>>,
    plans: Mutex<HashMap<Vec<bool>, Arc<Plan>>>,
}

/// What the engine runs: one operation with its fields collected.
#[derive(Debug)]
pub(crate) struct Plan {
    /// A document with this operation only.
    pub document: EngineDocument,
    /// Where the response has the description of the schema, as response names.
    descriptions: Vec<[Name; 2]>,
}

impl Plan {
    /// Sets the description of the schema to null: the engine returns a text, but ours has none.
    pub fn clear_descriptions(&self, data: &mut Value) {
        for [schema, description] in &self.descriptions {
            if let Value::Object(members) = data
                && let Some(Value::Object(members)) = members.get_mut(schema)
                && let Some(value) = members.get_mut(description)
            {
                *value = Value::Null;
            }
        }
    }
}

impl Document {
    /// Builds the document of a client.
    pub(crate) fn new(schema: Arc<Valid<Schema>>, document: Valid<ExecutableDocument>) -> Self {
        Self::with(schema, document, false)
    }

    /// Builds a document of the program or its operator. The limits of client documents do not apply, and its variables are checked
    /// by the caller.
    pub fn own(schema: Arc<Valid<Schema>>, document: Valid<ExecutableDocument>) -> Self {
        Self::with(schema, document, true)
    }

    fn with(schema: Arc<Valid<Schema>>, document: Valid<ExecutableDocument>, is_own: bool) -> Self {
        let sizes = operation_sizes(&document).into_iter();
        let operations = document.operations.iter().zip(sizes);
        let operations =
            operations.map(|(operation, size)| DocumentOperation::new(&document, operation, size)).collect();
        Self(Arc::new(Inner { schema, document, operations, is_own }))
    }

    /// Whether it belongs to the program or its operator: then limits do not apply.
    pub(crate) fn is_own(&self) -> bool {
        self.0.is_own
    }

    /// Returns the parsed document.
    pub(crate) fn parsed(&self) -> &ExecutableDocument {
        &self.0.document
    }

    /// Returns its operations.
    pub(crate) fn operations(&self) -> &[DocumentOperation] {
        &self.0.operations
    }

    /// Returns the operation with this name; without a name, the only one.
    ///
    /// # Errors
    /// There is no such operation, or there are several and no name.
    pub(crate) fn operation(&self, name: Option<&str>) -> Result<&DocumentOperation, ServerError> {
        let refuse = |message: String| Err(with_code(ServerError::new(message, None), Code::ValidationFailed));
        match (name, self.operations()) {
            (None, [only]) => Ok(only),
            (None, []) => refuse("the document has no operation".to_owned()),
            (None, _) => refuse("operationName: it is required where a document has several operations".to_owned()),
            (Some(name), operations) => {
                let found = operations.iter().find(|operation| operation.name() == Some(name));
                found.map_or_else(|| refuse(format!("operationName: there is no operation named \"{name}\"")), Ok)
            }
        }
    }

    /// Returns the plan of an operation for these coerced variables.
    ///
    /// # Errors
    /// A variable of `@skip` or `@include` is null.
    pub(crate) fn plan(&self, operation: &DocumentOperation, variables: &Variables) -> Result<Arc<Plan>, ServerError> {
        let key = operation.plan_key(variables)?;
        let plans = || operation.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plan) = plans().get(&key) {
            return Ok(Arc::clone(plan));
        }
        let Inner { schema, document, .. } = &*self.0;
        let plan = Arc::new(operation.collect(schema, document, variables));
        let mut plans = plans();
        if plans.len() >= MAX_PLANS {
            plans.clear();
        }
        plans.insert(key, Arc::clone(&plan));
        Ok(plan)
    }

    /// Estimates the bytes that the plans of the document may take.
    pub(crate) fn weight(&self) -> usize {
        let of_operation = |operation: &DocumentOperation| {
            let plans = if operation.deciding.is_empty() && operation.optional.is_empty() { 1 } else { MAX_PLANS };
            operation.size.weight().saturating_mul(plans)
        };
        self.operations().iter().map(of_operation).fold(0, usize::saturating_add)
    }
}

impl DocumentOperation {
    fn new(document: &Valid<ExecutableDocument>, operation: &Node<executable::Operation>, size: OperationSize) -> Self {
        let variables: Vec<_> = operation.variables.iter().map(|variable| declared(document, variable)).collect();
        let deciding = deciding_variables(document, operation);
        let names = |is_wanted: &dyn Fn(&VariableDefinition) -> bool| {
            let wanted = variables.iter().filter(|variable| is_wanted(&variable.node));
            wanted.map(|variable| variable.node.name.node.clone()).collect()
        };
        Self {
            deciding: names(&|variable| deciding.iter().any(|name| variable.name.node == **name)),
            optional: names(&|variable| variable.var_type.node.nullable && variable.default_value.is_none()),
            operation: operation.clone(),
            size,
            variables,
            scopes: OnceLock::new(),
            plans: Mutex::default(),
        }
    }

    /// Returns its name, if it has one.
    pub fn name(&self) -> Option<&str> {
        self.operation.name.as_deref()
    }

    /// Returns its selections, as written.
    pub fn selection_set(&self) -> &SelectionSet {
        &self.operation.selection_set
    }

    /// Checks the limits of client operations, and that introspection is on if the operation uses it.
    pub fn check(&self, document: &Document, limits: &Limits, disclosure: Disclosure) -> Result<(), ServerError> {
        self.size.check(limits, self.kind() == OperationType::Subscription)?;
        if disclosure.introspection { Ok(()) } else { introspection::refuse(document.parsed(), &self.operation) }
    }

    /// Returns whether it is a query, a mutation or a subscription.
    pub fn kind(&self) -> OperationType {
        match self.operation.operation_type {
            executable::OperationType::Query => OperationType::Query,
            executable::OperationType::Mutation => OperationType::Mutation,
            executable::OperationType::Subscription => OperationType::Subscription,
        }
    }

    /// Returns the scopes that it requires; `read` finds them on the first call.
    pub fn scopes(&self, read: impl FnOnce() -> Vec<Scope>) -> &[Scope] {
        self.scopes.get_or_init(read)
    }

    /// Returns what a plan depends on.
    fn plan_key(&self, variables: &Variables) -> Result<Vec<bool>, ServerError> {
        let mut key = Vec::new();
        for name in &self.deciding {
            let Some(Value::Boolean(value)) = variables.get(name) else {
                let declared = self.variables.iter().find(|variable| variable.node.name.node == *name);
                let message = format!("${name}: @skip and @include need a value");
                let error = ServerError::new(message, declared.map(|variable| variable.pos));
                return Err(with_code(error, Code::BadUserInput));
            };
            key.push(*value);
        }
        key.extend(self.optional.iter().map(|name| variables.contains_key(name)));
        Ok(key)
    }

    fn collect(&self, schema: &Schema, document: &Valid<ExecutableDocument>, variables: &Variables) -> Plan {
        let mut collector = Collector::new(schema, document, Given::Values(variables));
        let pos = pos_of(document, self.operation.location());
        let operation = OperationDefinition {
            ty: self.kind(),
            variable_definitions: self.variables.clone(),
            directives: Vec::new(),
            selection_set: Positioned::new(collector.operation(&self.operation), pos),
        };
        Plan {
            document: EngineDocument {
                operations: DocumentOperations::Single(Positioned::new(operation, pos)),
                fragments: HashMap::new(),
            },
            descriptions: collector.descriptions,
        }
    }
}

/// Converts a variable to the type of the engine.
fn declared(
    document: &ExecutableDocument,
    variable: &Node<executable::VariableDefinition>,
) -> Positioned<VariableDefinition> {
    let pos = pos_of(document, variable.location());
    let definition = VariableDefinition {
        name: Positioned::new(Name::new(&variable.name), pos),
        var_type: Positioned::new(type_of(&variable.ty), pos),
        directives: Vec::new(),
        default_value: variable.default_value.as_ref().map(|value| Positioned::new(constant_of(value), pos)),
    };
    Positioned::new(definition, pos)
}

fn type_of(ty: &AstType) -> Type {
    let base = match ty {
        AstType::Named(name) | AstType::NonNullNamed(name) => BaseType::Named(Name::new(name)),
        AstType::List(item) | AstType::NonNullList(item) => BaseType::List(Box::new(type_of(item))),
    };
    Type { base, nullable: !ty.is_non_null() }
}

/// Returns the variables of `@skip` and `@include` in the operation and the fragments that it spreads.
fn deciding_variables<'d>(document: &'d ExecutableDocument, operation: &'d executable::Operation) -> Vec<&'d str> {
    let mut found = Vec::new();
    visit_selections(document, &operation.selection_set, &mut Vec::new(), &mut |selection| {
        let conditions =
            selection.directives().iter().filter(|directive| ["skip", "include"].contains(&&*directive.name));
        let values = conditions.filter_map(|directive| directive.specified_argument_by_name("if"));
        found.extend(values.filter_map(|value| match &**value {
            AstValue::Variable(name) => Some(name.as_str()),
            _ => None,
        }));
    });
    found
}
