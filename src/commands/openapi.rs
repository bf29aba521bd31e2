//! `metrograph openapi`: prints the OpenAPI description of REST v1.

use crate::{commands::output::print, config::OpenApiVersion, graphql, rest};

pub(crate) fn run(version: OpenApiVersion) -> Result<(), String> {
    let version = match version {
        OpenApiVersion::V3_0 => rest::OpenApiVersion::V3_0,
        OpenApiVersion::V3_1 => rest::OpenApiVersion::V3_1,
    };
    let description = rest::openapi(&graphql::sdl(), version).map_err(|error| error.to_string())?;
    print(&format!("{description:#}\n"))
}
