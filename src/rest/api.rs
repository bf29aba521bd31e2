//! A REST API: a checked document of operations under a path prefix.

use std::{collections::HashSet, path::Path, sync::Arc};

use apollo_compiler::{Schema, validation::Valid};

use crate::{
    graphql::DocumentError,
    rest::document::{self, Document},
};

/// First path segments that endpoints cannot have: those of the documentation, and of a doubled prefix.
const RESERVED_SEGMENTS: &[&str] = &["docs", "swagger.json", "openapi-3.0.json", "api"];

/// A checked document of operations, each an endpoint.
pub struct RestApi {
    /// The path prefix of its endpoints, such as `/api/v1`.
    pub(super) prefix: String,
    /// The title of its description.
    pub(super) title: String,
    /// Whether its description can be read without a token.
    pub(super) is_public: bool,
    pub(super) document: Document,
    pub(super) schema: Arc<Valid<Schema>>,
}

/// Loads REST v1 and the operator's documents in `directory`; `team.graphql` gets the prefix `/api/team`.
///
/// # Errors
/// The first document that is invalid against the schema, with file, line and reason.
pub fn load(sdl: &str, directory: Option<&Path>) -> Result<Vec<RestApi>, DocumentError> {
    let schema = Arc::new(document::schema(sdl)?);
    let mut apis = vec![rest_api(&schema, "v1", "v1.graphql", include_str!("v1.graphql"))?];
    for (file, name) in directory.map(own_documents).transpose()?.unwrap_or_default() {
        let unreadable = |error: std::io::Error| DocumentError::of_file(&file, error.to_string());
        let text = std::fs::read_to_string(&file).map_err(unreadable)?;
        apis.push(rest_api(&schema, &name, &file, &text)?);
    }
    Ok(apis)
}

/// Returns file and name of each document in a directory, sorted.
fn own_documents(directory: &Path) -> Result<Vec<(String, String)>, DocumentError> {
    let unreadable =
        |error: std::io::Error| DocumentError::of_file(&directory.display().to_string(), error.to_string());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_none_or(|extension| extension != "graphql") {
            continue;
        }
        let file = path.display().to_string();
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let is_word = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        if !is_word || name == "v1" {
            let reason = "the file's name becomes part of the path: letters, digits, - and _, and not v1";
            return Err(DocumentError::of_file(&file, reason));
        }
        found.push((file, name));
    }
    found.sort();
    Ok(found)
}

fn rest_api(schema: &Arc<Valid<Schema>>, name: &str, file: &str, text: &str) -> Result<RestApi, DocumentError> {
    let document = document::read(schema, file, text)?;
    let mut taken = HashSet::new();
    for endpoint in &document.endpoints {
        let refused = |reason: String| {
            let (line, column) = endpoint.place;
            DocumentError { file: file.to_owned(), line, column, reason: format!("{}: {reason}", endpoint.name) }
        };
        // The root is shared with GraphQL, the pages and other documents. Only old clients of REST v1 need it.
        if endpoint.at_root && name != "v1" {
            return Err(refused("root: only REST v1 is served at the root".to_owned()));
        }
        for template in &endpoint.paths {
            if template.first_word().is_some_and(|word| RESERVED_SEGMENTS.contains(&word)) {
                let own = RESERVED_SEGMENTS.join(", ");
                return Err(refused(format!(
                    "the path {}: paths that begin with one of {own} are taken",
                    template.documented()
                )));
            }
            if !taken.insert((endpoint.is_post, template.route())) {
                return Err(refused(format!("the path {} is served already", template.documented())));
            }
        }
    }
    let title = format!("Metrograph REST {name}");
    // REST v1 is documented publicly. An operator's endpoints are not.
    let is_public = name == "v1";
    Ok(RestApi { prefix: format!("/api/{name}"), title, is_public, document, schema: Arc::clone(schema) })
}
