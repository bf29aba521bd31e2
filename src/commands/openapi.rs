//! `metrograph openapi`: prints the OpenAPI description of a REST API.

use crate::{commands::output::print, config::OpenApiVersion, graphql, rest};

pub(crate) fn run(api: &str, version: OpenApiVersion) -> Result<(), String> {
    let version = match version {
        OpenApiVersion::V3_0 => rest::OpenApiVersion::V3_0,
        OpenApiVersion::V3_1 => rest::OpenApiVersion::V3_1,
    };
    let description = rest::openapi(&graphql::sdl(), api, version)?;
    print(&format!("{description:#}\n"))
}
