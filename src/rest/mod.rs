//! REST APIs generated from documents of GraphQL operations, each an entry point.

mod api;
mod docs;
mod document;
mod endpoint;
mod input;
mod openapi;
mod paths;
mod reply;
mod template;

use std::sync::Arc;

use axum::Router;

pub use self::{
    api::{RestApi, load},
    openapi::version::OpenApiVersion,
    paths::Paths,
};
use self::{document::Document, endpoint::Endpoint};
use crate::graphql::{DocumentError, Graph};

/// Returns the OpenAPI description of REST v1.
///
/// # Errors
/// Those of [`load`].
pub fn openapi(sdl: &str, version: OpenApiVersion) -> Result<serde_json::Value, DocumentError> {
    let apis = load(sdl, None)?;
    Ok(openapi::describe(&apis[0], version))
}

/// Returns the routes of all APIs, their descriptions and documentation pages.
pub fn router(apis: Vec<RestApi>, graph: &Graph) -> Router {
    let mut router = Router::new();
    for api in apis {
        let descriptions = [("swagger.json", OpenApiVersion::V3_1), ("openapi-3.0.json", OpenApiVersion::V3_0)];
        let descriptions = descriptions.map(|(name, version)| (name, openapi::describe(&api, version)));
        router = docs::add(router, &api.prefix, descriptions, api.is_public);
        let RestApi { prefix, document, schema, .. } = api;
        let Document { entry_points, runnable, .. } = document;
        for point in entry_points {
            let point = Arc::new(point);
            for template in point.paths.clone() {
                let endpoint = Endpoint {
                    graph: graph.clone(),
                    schema: Arc::clone(&schema),
                    document: runnable.clone(),
                    point: Arc::clone(&point),
                    prefix: prefix.as_str().into(),
                    template,
                };
                router = endpoint.add_to(router);
            }
        }
    }
    router
}
