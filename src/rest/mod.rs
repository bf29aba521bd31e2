//! REST APIs generated from documents of GraphQL operations, each an endpoint.

mod api;
mod docs;
mod document;
mod facades;
mod format;
mod input;
mod openapi;
mod paths;
mod reply;
mod route;
mod rows;
mod template;

use std::sync::Arc;

use axum::Router;

pub use self::{
    api::{RestApi, load},
    openapi::version::OpenApiVersion,
    paths::Paths,
};
use self::{document::Document, route::Route};
use crate::graphql::Graph;

/// Returns the OpenAPI description of the API of the program with this name, such as `v1`.
///
/// # Errors
/// There is none with this name, or those of [`load`].
pub fn openapi(sdl: &str, name: &str, version: OpenApiVersion) -> Result<serde_json::Value, String> {
    let apis = load(sdl, None).map_err(|error| error.to_string())?;
    let api = apis.iter().find(|api| api.name == name);
    let api = api.ok_or_else(|| format!("--api: '{name}': give one of {}", facades::names()))?;
    Ok(openapi::describe(api, version))
}

/// Returns the routes of all APIs, their descriptions and documentation pages.
pub fn router(apis: Vec<RestApi>, graph: &Graph) -> Router {
    let mut router = Router::new();
    for api in apis {
        let descriptions = [("swagger.json", OpenApiVersion::V3_1), ("openapi-3.0.json", OpenApiVersion::V3_0)];
        let descriptions = descriptions.map(|(name, version)| (name, openapi::describe(&api, version)));
        router = docs::add(router, &api.prefix, descriptions, api.manners.is_public);
        let RestApi { prefix, manners, document, schema, .. } = api;
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
                    is_strict: manners.is_strict,
                };
                router = route.add_to(router);
            }
        }
    }
    router
}
