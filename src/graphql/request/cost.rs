//! The cost of a request, for `extensions.cost`. The engine computes it while it validates, and passes it to extensions only.
//! Extensions slow requests down, so the cost is computed by a schema of its own that runs nothing.

use std::sync::{Arc, OnceLock};

use async_graphql::{
    Executor, Request, ServerError, ValidationResult, Value, async_trait,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextValidation},
    value,
};

use crate::config::Limits;

/// The cost of a request, and its limits.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// Fields; those of a list count once per row that it may have.
    pub complexity: usize,
    /// Nested fields.
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
    /// Computes the cost of `request`, on a `schema` with the [`CostExtension`]; `None` if it is not valid.
    pub(crate) async fn measure(schema: &impl Executor, request: Request, limits: Limits) -> Option<Self> {
        let slot = CostSlot::default();
        schema.execute(request.data(Arc::clone(&slot))).await;
        let ValidationResult { complexity, depth, .. } = *slot.get()?;
        Some(Self { complexity, depth, limits })
    }
}

/// Receives the cost of one request.
type CostSlot = Arc<OnceLock<ValidationResult>>;

/// Makes a schema compute costs and run nothing.
pub struct CostExtension;

impl ExtensionFactory for CostExtension {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait::async_trait]
impl Extension for CostExtension {
    /// Stores the cost, and ends the request.
    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        let result = next.run(ctx).await?;
        if let Some(slot) = ctx.data_opt::<CostSlot>() {
            // It can not be full: each request has its own.
            let _ = slot.set(result);
        }
        Err(Vec::new())
    }
}
