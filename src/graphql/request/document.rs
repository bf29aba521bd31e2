//! What a document's text becomes, once: a validated document whose operations can be asked for, each by itself.

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
            collect_fields::{Collector, Given, constant_of, place_of},
            document_limits::{Size, sizes},
            introspection::{self, Told},
            selections::each_selection,
        },
    },
};

/// Plans of one operation that are kept: one for each set of variables that are left out or decide over a part of it.
const MOST_PLANS: usize = 4;

/// A validated document.
#[derive(Debug, Clone)]
pub struct Document(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    schema: Arc<Valid<Schema>>,
    document: Valid<ExecutableDocument>,
    operations: Vec<Asked>,
    is_own: bool,
}

/// An operation of a document.
#[derive(Debug)]
pub(crate) struct Asked {
    operation: Node<executable::Operation>,
    size: Size,
    /// Its variables, as the engine has them.
    pub variables: Vec<Positioned<VariableDefinition>>,
    /// Those on which a plan depends, since they stand at `@skip` or `@include`.
    deciding: Vec<Name>,
    /// Those on which a plan depends, since they may be left out.
    optional: Vec<Name>,
    scopes: OnceLock<Vec<Scope>>,
    plans: Mutex<HashMap<Vec<bool>, Arc<Plan>>>,
}

/// What the engine runs: one operation whose fields are collected.
#[derive(Debug)]
pub(crate) struct Plan {
    /// A document of this one operation.
    pub document: EngineDocument,
    /// Where the answer has the schema's description, as response names.
    descriptions: Vec<[Name; 2]>,
}

impl Plan {
    /// Takes back what the engine tells as the description of every schema: ours has none.
    pub fn describe(&self, data: &mut Value) {
        for [schema, description] in &self.descriptions {
            if let Value::Object(members) = data
                && let Some(Value::Object(members)) = members.get_mut(schema)
                && let Some(told) = members.get_mut(description)
            {
                *told = Value::Null;
            }
        }
    }
}

impl Document {
    /// A document of a client.
    pub(crate) fn new(schema: Arc<Valid<Schema>>, document: Valid<ExecutableDocument>) -> Self {
        Self::with(schema, document, false)
    }

    /// A document of the program or its operator: its variables are checked before it runs, and the limits of what clients may ask
    /// are not for it.
    pub fn own(schema: Arc<Valid<Schema>>, document: Valid<ExecutableDocument>) -> Self {
        Self::with(schema, document, true)
    }

    fn with(schema: Arc<Valid<Schema>>, document: Valid<ExecutableDocument>, is_own: bool) -> Self {
        let sizes = sizes(&document).into_iter();
        let operations = document.operations.iter().zip(sizes);
        let operations = operations.map(|(operation, size)| Asked::new(&document, operation, size)).collect();
        Self(Arc::new(Inner { schema, document, operations, is_own }))
    }

    /// Whether limits are not for it.
    pub(crate) fn is_own(&self) -> bool {
        self.0.is_own
    }

    /// The parsed document.
    pub(crate) fn parsed(&self) -> &ExecutableDocument {
        &self.0.document
    }

    /// Its operations.
    pub(crate) fn operations(&self) -> &[Asked] {
        &self.0.operations
    }

    /// The operation of this name; without a name, the only one there is.
    ///
    /// # Errors
    /// There is none, or it is not clear which.
    pub(crate) fn operation(&self, name: Option<&str>) -> Result<&Asked, ServerError> {
        let refuse = |message: String| Err(with_code(ServerError::new(message, None), Code::ValidationFailed));
        match (name, self.operations()) {
            (None, [only]) => Ok(only),
            (None, []) => refuse("the document has no operation".to_owned()),
            (None, _) => refuse("operationName: it is required where a document has several operations".to_owned()),
            (Some(name), operations) => {
                let found = operations.iter().find(|asked| asked.name() == Some(name));
                found.map_or_else(|| refuse(format!("operationName: there is no operation named \"{name}\"")), Ok)
            }
        }
    }

    /// What the engine runs for an operation with these variables, coerced.
    ///
    /// # Errors
    /// A variable that decides over a part of the operation is null.
    pub(crate) fn plan(&self, asked: &Asked, variables: &Variables) -> Result<Arc<Plan>, ServerError> {
        let key = asked.key(variables)?;
        let plans = || asked.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plan) = plans().get(&key) {
            return Ok(Arc::clone(plan));
        }
        let Inner { schema, document, .. } = &*self.0;
        let plan = Arc::new(asked.collect(schema, document, variables));
        let mut plans = plans();
        if plans.len() >= MOST_PLANS {
            plans.clear();
        }
        plans.insert(key, Arc::clone(&plan));
        Ok(plan)
    }

    /// Bytes that the plans of the document may take, about.
    pub(crate) fn weight(&self) -> usize {
        let of_operation = |asked: &Asked| {
            let plans = if asked.deciding.is_empty() && asked.optional.is_empty() { 1 } else { MOST_PLANS };
            asked.size.weight().saturating_mul(plans)
        };
        self.operations().iter().map(of_operation).fold(0, usize::saturating_add)
    }
}

impl Asked {
    fn new(document: &Valid<ExecutableDocument>, operation: &Node<executable::Operation>, size: Size) -> Self {
        let variables: Vec<_> = operation.variables.iter().map(|variable| declared(document, variable)).collect();
        let decide = deciding(document, operation);
        let names = |is_wanted: &dyn Fn(&VariableDefinition) -> bool| {
            let wanted = variables.iter().filter(|variable| is_wanted(&variable.node));
            wanted.map(|variable| variable.node.name.node.clone()).collect()
        };
        Self {
            deciding: names(&|variable| decide.iter().any(|name| variable.name.node == **name)),
            optional: names(&|variable| variable.var_type.node.nullable && variable.default_value.is_none()),
            operation: operation.clone(),
            size,
            variables,
            scopes: OnceLock::new(),
            plans: Mutex::default(),
        }
    }

    fn name(&self) -> Option<&str> {
        self.operation.name.as_deref()
    }

    /// Its selections, as they were written.
    pub fn selection_set(&self) -> &SelectionSet {
        &self.operation.selection_set
    }

    /// Refuses an operation that asks for more than a client's may, or, where it is not told, for the schema.
    pub fn check(&self, document: &Document, limits: &Limits, told: Told) -> Result<(), ServerError> {
        self.size.check(limits, self.kind() == OperationType::Subscription)?;
        if told.introspection { Ok(()) } else { introspection::refuse(document.parsed(), &self.operation) }
    }

    /// Whether it reads, stores or subscribes.
    pub fn kind(&self) -> OperationType {
        match self.operation.operation_type {
            executable::OperationType::Query => OperationType::Query,
            executable::OperationType::Mutation => OperationType::Mutation,
            executable::OperationType::Subscription => OperationType::Subscription,
        }
    }

    /// The scopes that it takes, read once.
    pub fn scopes(&self, read: impl FnOnce() -> Vec<Scope>) -> &[Scope] {
        self.scopes.get_or_init(read)
    }

    /// What a plan depends on.
    fn key(&self, variables: &Variables) -> Result<Vec<bool>, ServerError> {
        let mut key = Vec::new();
        for name in &self.deciding {
            let Some(Value::Boolean(value)) = variables.get(name) else {
                let declared = self.variables.iter().find(|variable| variable.node.name.node == *name);
                let message = format!("${name}: a value must be given where @skip and @include ask for one");
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
        let pos = place_of(document, self.operation.location());
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

/// A variable, as the engine has it.
fn declared(
    document: &ExecutableDocument,
    variable: &Node<executable::VariableDefinition>,
) -> Positioned<VariableDefinition> {
    let pos = place_of(document, variable.location());
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

/// The variables that stand at `@skip` or `@include`, in the operation and the fragments that it reaches.
fn deciding<'d>(document: &'d ExecutableDocument, operation: &'d executable::Operation) -> Vec<&'d str> {
    let mut found = Vec::new();
    each_selection(document, &operation.selection_set, &mut Vec::new(), &mut |selection| {
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
