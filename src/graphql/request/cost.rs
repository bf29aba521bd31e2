//! What a request costs, told to whoever asks. The engine finds the cost out while it validates, and tells it to extensions alone;
//! so that no extension slows requests down, those whose cost is asked for are validated once more by a schema that runs nothing.

use std::sync::{Arc, OnceLock};

use async_graphql::{
    Request, ServerError, ValidationMode, ValidationResult, Value, async_trait,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextValidation},
    value,
};

use crate::{
    config::Limits,
    graphql::{Graph, Inner, builder, request::operation::Operation},
};

/// What a request costs, and what it may.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// Fields, those of a list counted once for every row that it may have.
    pub complexity: usize,
    /// Fields within each other.
    pub depth: usize,
    limits: Limits,
}

impl From<Cost> for Value {
    fn from(Cost { complexity, depth, limits }: Cost) -> Self {
        let Limits { max_complexity, max_depth, .. } = limits;
        value!({ "complexity": complexity, "maxComplexity": max_complexity, "depth": depth, "maxDepth": max_depth })
    }
}

/// Where the engine's finding is left.
type Found = Arc<OnceLock<ValidationResult>>;

struct Measuring;

impl ExtensionFactory for Measuring {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait::async_trait]
impl Extension for Measuring {
    /// Leaves the finding, and ends the request.
    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        let found = next.run(ctx).await?;
        if let Some(place) = ctx.data_opt::<Found>() {
            // It is empty: each request brings its own.
            let _ = place.set(found);
        }
        Err(Vec::new())
    }
}

/// A schema that finds out costs and runs nothing.
pub(crate) fn measuring() -> Inner {
    builder().validation_mode(ValidationMode::Fast).limit_recursive_depth(usize::MAX).extension(Measuring).finish()
}

impl Graph {
    /// What an operation costs, whether it may or not; `None` when it is not valid.
    pub async fn cost(&self, operation: &Operation) -> Option<Cost> {
        let Operation { document, name, variables, .. } = operation;
        let mut variables = variables.clone();
        let asked = document.operation(name.as_deref()).ok()?;
        self.0.input_types.coerce(asked, document.is_own(), &mut variables).ok()?;
        let plan = document.plan(asked, &variables).ok()?;
        let found = Found::default();
        let mut request = Request::new("").variables(variables).data(Arc::clone(&found));
        request.set_parsed_query(plan.document.clone());
        self.0.measuring.execute(request).await;
        let ValidationResult { complexity, depth, .. } = *found.get()?;
        Some(Cost { complexity, depth, limits: *self.limits() })
    }
}
