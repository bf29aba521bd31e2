//! A REST API: a checked document of operations under a path prefix.

use std::{collections::HashSet, path::Path, sync::Arc};

use apollo_compiler::{Schema, validation::Valid};

use crate::{
    graphql::DocumentError,
    rest::{
        document::{self, Document},
        facades::{self, FACADES, Manners, OPERATORS},
    },
};

/// First path segments that endpoints cannot have: those of the documentation, and of a doubled prefix.
const RESERVED_SEGMENTS: &[&str] = &["docs", "swagger.json", "openapi-3.0.json", "api"];

/// A checked document of operations, each an endpoint.
pub struct RestApi {
    /// Its name in the path, such as `v1`.
    pub(super) name: String,
    /// The path prefix of its endpoints, such as `/api/v1`.
    pub(super) prefix: String,
    pub(super) manners: Manners,
    pub(super) document: Document,
    pub(super) schema: Arc<Valid<Schema>>,
}

/// Loads the REST APIs of the program and the operator's documents in `directory`; `team.graphql` gets the prefix `/api/team`.
///
/// # Errors
/// The first document that is invalid against the schema, with file, line and reason.
pub fn load(sdl: &str, directory: Option<&Path>) -> Result<Vec<RestApi>, DocumentError> {
    let schema = Arc::new(document::schema(sdl)?);
    let mut apis = FACADES
        .iter()
        .map(|facade| rest_api(&schema, facade.name, facade.manners, facade.file, facade.text))
        .collect::<Result<Vec<_>, _>>()?;
    for (file, name) in directory.map(own_documents).transpose()?.unwrap_or_default() {
        let unreadable = |error: std::io::Error| DocumentError::of_file(&file, error.to_string());
        let text = std::fs::read_to_string(&file).map_err(unreadable)?;
        apis.push(rest_api(&schema, &name, OPERATORS, &file, &text)?);
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
        if !is_word {
            let reason = "the file's name becomes part of the path: letters, digits, - and _";
            return Err(DocumentError::of_file(&file, reason));
        }
        if FACADES.iter().any(|facade| facade.name == name) {
            let names = facades::names();
            let reason = format!("the file's name is that of an API of Metrograph itself ({names}): choose another");
            return Err(DocumentError::of_file(&file, reason));
        }
        found.push((file, name));
    }
    found.sort();
    Ok(found)
}

fn rest_api(
    schema: &Arc<Valid<Schema>>,
    name: &str,
    manners: Manners,
    file: &str,
    text: &str,
) -> Result<RestApi, DocumentError> {
    let document = document::read(schema, file, text)?;
    let mut taken = HashSet::new();
    for endpoint in &document.endpoints {
        let refused = |reason: String| {
            let (line, column) = endpoint.place;
            DocumentError { file: file.to_owned(), line, column, reason: format!("{}: {reason}", endpoint.name) }
        };
        if endpoint.at_root && !manners.may_use_root {
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
    let (name, prefix) = (name.to_owned(), format!("/api/{name}"));
    Ok(RestApi { name, prefix, manners, document, schema: Arc::clone(schema) })
}
