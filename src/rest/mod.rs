//! REST APIs generated from documents of GraphQL operations, each an endpoint.

mod api;
mod docs;
mod document;
mod input;
mod openapi;
mod paths;
mod reply;
mod route;
mod template;

use std::sync::Arc;

use axum::Router;

pub use self::{
    api::{RestApi, load},
    openapi::version::OpenApiVersion,
    paths::Paths,
};
use self::{document::Document, route::Route};
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
        let Document { endpoints, runnable, .. } = document;
        for endpoint in endpoints {
            let endpoint = Arc::new(endpoint);
            for template in endpoint.paths.clone() {
                let route = Route {
                    graph: graph.clone(),
                    schema: Arc::clone(&schema),
                    document: runnable.clone(),
                    endpoint: Arc::clone(&endpoint),
                    prefix: prefix.as_str().into(),
                    template,
                };
                router = route.add_to(router);
            }
        }
    }
    router
}
