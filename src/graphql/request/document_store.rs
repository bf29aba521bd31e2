//! Finds the document of a request: by its text, by an id that is trusted, or by the hash of a text that was sent before.

use std::{path::Path, sync::Arc};

use apollo_compiler::{Schema, validation::Valid};
use quick_cache::{Weighter, sync::Cache};

use crate::{
    config::{GraphqlSettings, Limits},
    error::{Code, Error},
    graphql::{
        error::as_server_error,
        request::{
            document::Document,
            document_limits,
            file::{DocumentError, read_schema},
            introspection::Told,
            persisted::{Hash, Persisted},
            trusted::Trusted,
            validation::{self, Rejected},
        },
    },
};

/// Parsed documents that are kept by their text, about.
const KEPT: usize = 500;
/// Bytes of parsed documents that are kept, all together, about.
const KEPT_BYTES: u64 = 128 * 1024 * 1024;
/// Bytes that a parsed document takes for each byte of its text, about.
const A_BYTE: u64 = 20;
/// Bytes that even the smallest document counts for.
const SMALLEST: u64 = 10_000;
/// Documents longer than this are parsed anew each time.
const LONGEST_KEPT: usize = 20_000;

#[derive(Clone)]
struct Bytes;

impl Weighter<String, Document> for Bytes {
    fn weight(&self, text: &String, document: &Document) -> u64 {
        text.len() as u64 * A_BYTE + document.weight() as u64 + SMALLEST
    }
}

/// Where documents come from.
pub struct Documents {
    schema: Arc<Valid<Schema>>,
    limits: Limits,
    parsed: Cache<String, Document, Bytes>,
    persisted: Option<Persisted>,
    trusted: Trusted,
    is_trusted_only: bool,
    told: Told,
}

impl Documents {
    /// Reads the schema and the trusted documents, those of the program's own pages among them.
    ///
    /// # Errors
    /// The first document that does not fit the schema or the limits, with file, line and reason.
    pub fn open(
        sdl: &str,
        settings: &GraphqlSettings,
        told: Told,
        own: &[(&str, &str)],
    ) -> Result<Self, DocumentError> {
        let GraphqlSettings { limits, documents, .. } = settings;
        let is_trusted_only = documents.trusted_only;
        let schema = Arc::new(read_schema(sdl)?);
        let load = |folder: &Path| Trusted::load(folder, &schema, limits, told);
        let mut trusted = documents.documents_dir.as_deref().map(load).transpose()?.unwrap_or_default();
        for (name, text) in own {
            trusted.add_own(&schema, name, text)?;
        }
        let room = documents.persisted_megabytes as u64 * 1_000_000;
        Ok(Self {
            schema,
            limits: *limits,
            parsed: Cache::with_weighter(KEPT, KEPT_BYTES, Bytes),
            // A hash that a stranger has left is no reason to trust.
            persisted: Persisted::with_room(if is_trusted_only { 0 } else { room }),
            trusted,
            is_trusted_only,
            told,
        })
    }

    /// What documents may hold.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What is told of the schema.
    pub(crate) fn told(&self) -> Told {
        self.told
    }

    /// The document that a request names. An id goes before a hash, a hash before a text: the text is for whoever does not know it yet.
    pub(crate) fn find(&self, text: Option<&str>, id: Option<&str>, hash: Option<&str>) -> Result<Document, Rejected> {
        let refuse = |code, message: &str| Err(as_server_error(Error::new(code, message)).into());
        match (text, id, hash) {
            (Some(_), Some(_), _) => refuse(Code::BadUserInput, "documentId: give it or query, not both"),
            (None, Some(id), _) => self.by_id(id),
            (None, None, Some(hash)) => self.by_hash(hash),
            (Some(text), None, Some(hash)) => self.keep(text, hash),
            (Some(text), None, None) => self.parse(text),
            (None, None, None) => refuse(Code::ParseFailed, "query: it is required: the text of a GraphQL document"),
        }
    }

    /// Parses and validates a text, or finds it among those parsed before.
    fn parse(&self, text: &str) -> Result<Document, Rejected> {
        if let Some(document) = self.parsed.get(text) {
            return Ok(document);
        }
        // Those were checked when they were read.
        if let Some(document) = self.trusted.by_hash(&Hash::of(text)) {
            return Ok(document);
        }
        if self.is_trusted_only {
            let message = "only trusted documents are answered here, and this text is none of them: ask by documentId";
            return Err(as_server_error(Error::new(Code::DocumentNotTrusted, message)).into());
        }
        document_limits::check_tokens(text, &self.limits)?;
        let document =
            validation::read(&self.schema, "query", text, self.told.suggestions, document_limits::check_whole)?;
        let document = Document::new(Arc::clone(&self.schema), document);
        if text.len() <= LONGEST_KEPT {
            self.parsed.insert(text.to_owned(), document.clone());
        }
        Ok(document)
    }

    fn by_id(&self, id: &str) -> Result<Document, Rejected> {
        let of_hash = || self.by_digits(id.strip_prefix("sha256:")?);
        self.trusted.by_id(id).map(Ok).or_else(of_hash).unwrap_or_else(|| {
            let code = if self.is_trusted_only { Code::DocumentNotTrusted } else { Code::DocumentNotFound };
            Err(as_server_error(Error::new(code, "documentId: no document has this id")).into())
        })
    }

    /// The document that was sent with this hash before. Clients that were given a manifest send its ids here, too.
    fn by_hash(&self, hash: &str) -> Result<Document, Rejected> {
        // The messages are those by which Apollo's clients know what to do.
        let (code, message) = match &self.persisted {
            Some(_) => (Code::PersistedQueryNotFound, "PersistedQueryNotFound"),
            None if self.is_trusted_only => {
                (Code::DocumentNotTrusted, "extensions.persistedQuery.sha256Hash: no trusted document has this hash")
            }
            None => (Code::PersistedQueryNotSupported, "PersistedQueryNotSupported"),
        };
        let found = self.trusted.by_id(hash).map(Ok).or_else(|| self.by_digits(hash));
        found.unwrap_or_else(|| Err(as_server_error(Error::new(code, message)).into()))
    }

    fn by_digits(&self, digits: &str) -> Option<Result<Document, Rejected>> {
        let hash = Hash::parse(digits)?;
        let trusted = self.trusted.by_hash(&hash).map(Ok);
        trusted.or_else(|| Some(self.parse(&self.persisted.as_ref()?.get(&hash)?)))
    }

    /// Parses a text that was sent with its hash, and keeps it when it is a document.
    fn keep(&self, text: &str, digits: &str) -> Result<Document, Rejected> {
        let hash = Hash::of(text);
        if Hash::parse(digits) != Some(hash) {
            let message = "extensions.persistedQuery.sha256Hash: this is not the SHA-256 of query";
            return Err(as_server_error(Error::bad_input(message)).into());
        }
        let document = self.parse(text)?;
        if let Some(persisted) = &self.persisted {
            persisted.keep(hash, text);
        }
        Ok(document)
    }
}
