//! Trusted documents: operations in a folder of the operator. Clients name them by id.

use std::{
    collections::{HashMap, hash_map::Entry},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use apollo_compiler::{Schema, validation::Valid};
use async_graphql::ServerError;
use serde_json::Value;

use crate::{
    config::Limits,
    graphql::{
        json::text_without_bom,
        request::{
            document::Document,
            document_limits,
            file::{DocumentError, read_checked, read_document},
            introspection::Disclosure,
            persisted::Hash,
        },
    },
};

/// The trusted documents, by id and by the hash of their text.
#[derive(Debug, Default)]
pub struct TrustedDocuments {
    by_id: HashMap<String, (Hash, Document)>,
    by_hash: HashMap<Hash, Document>,
}

impl TrustedDocuments {
    /// Reads the folder. The id of `NAME.graphql` is NAME; a `*.json` is a manifest of ids and documents.
    ///
    /// # Errors
    /// The first document that is not valid, exceeds a limit or uses disabled introspection, with file, line and reason.
    pub fn load(
        folder: &Path,
        schema: &Arc<Valid<Schema>>,
        limits: &Limits,
        disclosure: Disclosure,
    ) -> Result<Self, DocumentError> {
        let mut trusted = Self::default();
        for path in files(folder)? {
            let file = path.display().to_string();
            let read = || fs::read_to_string(&path).map_err(|error| DocumentError::of_file(&file, error.to_string()));
            let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            match path.extension().and_then(|ending| ending.to_str()) {
                Some("graphql") => trusted.add(schema, limits, disclosure, &file, stem, &read()?)?,
                Some("json") => {
                    for (id, text) in manifest(&file, text_without_bom(&read()?))? {
                        trusted.add(schema, limits, disclosure, &format!("{file}, document {id}"), id, &text)?;
                    }
                }
                _ => {}
            }
        }
        Ok(trusted)
    }

    /// Adds a document of the program itself. The limits of client documents do not apply.
    ///
    /// # Errors
    /// The document is not valid.
    pub fn add_own(&mut self, schema: &Arc<Valid<Schema>>, name: &str, text: &str) -> Result<(), DocumentError> {
        let document = Document::own(Arc::clone(schema), read_document(schema, name, text)?);
        self.by_hash.insert(Hash::of(text), document);
        Ok(())
    }

    /// Adds a document that comes with the program, unless the operator has one with this id. One that exceeds a limit of the operator's is
    /// left out.
    pub fn add_shipped(
        &mut self,
        schema: &Arc<Valid<Schema>>,
        limits: &Limits,
        disclosure: Disclosure,
        id: &str,
        text: &str,
    ) {
        if self.by_id.contains_key(id) {
            return;
        }
        if let Err(error) = self.add(schema, limits, disclosure, &format!("{id}.graphql"), id.to_owned(), text) {
            tracing::info!(%error, "the trusted document {id} is left out");
        }
    }

    fn add(
        &mut self,
        schema: &Arc<Valid<Schema>>,
        limits: &Limits,
        disclosure: Disclosure,
        file: &str,
        id: String,
        text: &str,
    ) -> Result<(), DocumentError> {
        let refused = |error: ServerError| DocumentError::first(file, vec![error]);
        document_limits::check_tokens(text, limits).map_err(refused)?;
        let document = read_checked(schema, file, text, document_limits::check_whole)?;
        if document.operations.is_empty() {
            return Err(DocumentError::of_file(file, "it has no operation"));
        }
        let (hash, document) = (Hash::of(text), Document::new(Arc::clone(schema), document));
        document
            .operations()
            .iter()
            .try_for_each(|operation| operation.check(&document, limits, disclosure))
            .map_err(refused)?;
        match self.by_id.entry(id) {
            Entry::Occupied(entry) if entry.get().0 != hash => {
                let reason = format!("the id {} belongs to another document", entry.key());
                return Err(DocumentError::of_file(file, reason));
            }
            Entry::Occupied(_) => {}
            Entry::Vacant(entry) => drop(entry.insert((hash, document.clone()))),
        }
        self.by_hash.insert(hash, document);
        Ok(())
    }

    /// Returns the document with this id.
    pub(crate) fn by_id(&self, id: &str) -> Option<Document> {
        self.by_id.get(id).map(|(_, document)| document.clone())
    }

    /// Returns the document whose text has this hash.
    pub(crate) fn by_hash(&self, hash: &Hash) -> Option<Document> {
        self.by_hash.get(hash).cloned()
    }
}

/// Returns the files of a folder, sorted by name.
fn files(folder: &Path) -> Result<Vec<PathBuf>, DocumentError> {
    let unreadable = |error: std::io::Error| DocumentError::of_file(&folder.display().to_string(), error.to_string());
    let entries = fs::read_dir(folder).map_err(unreadable)?;
    let mut files =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    files.sort();
    Ok(files)
}

/// Parses the ids and texts of a manifest: `{"ID": "TEXT"}` of graphql-codegen and Relay, or Apollo's
/// `{"operations": [{"id": "ID", "body": "TEXT"}]}`.
fn manifest(file: &str, text: &str) -> Result<Vec<(String, String)>, DocumentError> {
    let malformed = |error: serde_json::Error| DocumentError {
        line: error.line().max(1),
        column: error.column().max(1),
        ..DocumentError::of_file(file, error.to_string())
    };
    let no_texts = || DocumentError::of_file(file, "no manifest: an object of ids and documents is expected");
    let value: Value = serde_json::from_str(text).map_err(malformed)?;
    let members = value.as_object().ok_or_else(no_texts)?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let documents: Option<Vec<_>> = match members.get("operations") {
        Some(Value::Array(operations)) => operations
            .iter()
            .map(|operation| Some((text(operation.get("id")?)?, text(operation.get("body")?)?)))
            .collect(),
        _ => members.iter().map(|(id, document)| Some((id.clone(), text(document)?))).collect(),
    };
    documents.ok_or_else(no_texts)
}
