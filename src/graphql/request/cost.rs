//! What a request costs, told to whoever asks. The engine finds the cost out while it validates, and tells it to extensions alone;
//! so that no extension slows requests down, those whose cost is asked for are validated once more by a schema that runs nothing.

use std::sync::{Arc, OnceLock};

use async_graphql::{
    Executor, Request, ServerError, ValidationResult, Value, async_trait,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextValidation},
    value,
};

use crate::config::Limits;

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

impl Cost {
    /// What `request` costs in a `schema` that is [`Measuring`]; `None` when it is not valid.
    pub(crate) async fn measured(schema: &impl Executor, request: Request, limits: Limits) -> Option<Self> {
        let found = Found::default();
        schema.execute(request.data(Arc::clone(&found))).await;
        let ValidationResult { complexity, depth, .. } = *found.get()?;
        Some(Self { complexity, depth, limits })
    }
}

/// Where the engine's finding is left.
type Found = Arc<OnceLock<ValidationResult>>;

/// Makes a schema find out costs and run nothing.
pub struct Measuring;

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
