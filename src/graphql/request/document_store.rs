//! Finds the document of a request: by its text, by the id of a trusted document, or by the hash of a persisted query.

use std::{path::Path, sync::Arc};

use apollo_compiler::{Schema, validation::Valid};
use entity::history::CacheUse;
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
            introspection::Disclosure,
            persisted::{Hash, PersistedDocuments},
            trusted::TrustedDocuments,
            validation::{self, Rejected},
        },
    },
};

/// Estimated number of documents in the cache of parsed documents.
const CACHE_CAPACITY: usize = 500;
/// Estimated bytes of that cache, at most.
const CACHE_BYTES: u64 = 128 * 1024 * 1024;
/// Estimated bytes of a parsed document per byte of its text.
const BYTES_PER_TEXT_BYTE: u64 = 20;
/// Bytes that every document counts for, however small.
const DOCUMENT_OVERHEAD: u64 = 10_000;
/// Longer texts are not cached.
const MAX_CACHED_TEXT_BYTES: usize = 20_000;

#[derive(Clone)]
struct DocumentWeight;

impl Weighter<String, Document> for DocumentWeight {
    fn weight(&self, text: &String, document: &Document) -> u64 {
        text.len() as u64 * BYTES_PER_TEXT_BYTE + document.weight() as u64 + DOCUMENT_OVERHEAD
    }
}

/// Trusted documents, persisted queries and a cache of parsed documents.
pub struct DocumentStore {
    schema: Arc<Valid<Schema>>,
    limits: Limits,
    parsed: Cache<String, Document, DocumentWeight>,
    persisted: Option<PersistedDocuments>,
    trusted: TrustedDocuments,
    is_trusted_only: bool,
    disclosure: Disclosure,
}

impl DocumentStore {
    /// Reads the schema and the trusted documents. `own` are those of the program's own pages, by file name, `shipped` those that come with it
    /// for clients, by id.
    ///
    /// # Errors
    /// The first document that is not valid or exceeds a limit, with file, line and reason.
    pub fn open(
        sdl: &str,
        settings: &GraphqlSettings,
        disclosure: Disclosure,
        own: &[(&str, &str)],
        shipped: &[(&str, &str)],
    ) -> Result<Self, DocumentError> {
        let GraphqlSettings { limits, documents, .. } = settings;
        let is_trusted_only = documents.trusted_only;
        let schema = Arc::new(read_schema(sdl)?);
        let load = |folder: &Path| TrustedDocuments::load(folder, &schema, limits, disclosure);
        let mut trusted = documents.documents_dir.as_deref().map(load).transpose()?.unwrap_or_default();
        for (name, text) in own {
            trusted.add_own(&schema, name, text)?;
        }
        for (id, text) in shipped {
            trusted.add_shipped(&schema, limits, disclosure, id, text);
        }
        let bytes = documents.persisted_megabytes as u64 * 1_000_000;
        Ok(Self {
            schema,
            limits: *limits,
            parsed: Cache::with_weighter(CACHE_CAPACITY, CACHE_BYTES, DocumentWeight),
            // With `--trusted-only`, clients can not register documents.
            persisted: PersistedDocuments::with_capacity(if is_trusted_only { 0 } else { bytes }),
            trusted,
            is_trusted_only,
            disclosure,
        })
    }

    /// Returns the limits of documents.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Returns what is disclosed of the schema.
    pub(crate) fn disclosure(&self) -> Disclosure {
        self.disclosure
    }

    /// Returns the document that a request names, by id, hash or text. A text that comes with its hash is registered.
    pub(crate) fn find(&self, text: Option<&str>, id: Option<&str>, hash: Option<&str>) -> Result<Document, Rejected> {
        let refuse = |code, message: &str| Err(as_server_error(Error::new(code, message)).into());
        match (text, id, hash) {
            (Some(_), Some(_), _) => refuse(Code::BadUserInput, "documentId: give it or query, not both"),
            (None, Some(id), _) => self.by_id(id),
            (None, None, Some(hash)) => self.by_hash(hash),
            (Some(text), None, Some(hash)) => self.register(text, hash),
            (Some(text), None, None) => self.parse(text),
            (None, None, None) => refuse(Code::ParseFailed, "query: it is required: the text of a GraphQL document"),
        }
    }

    /// Returns how often a text was found parsed.
    pub(crate) fn cache_use(&self) -> CacheUse {
        CacheUse { name: "documents", hits: self.parsed.hits(), misses: self.parsed.misses() }
    }

    /// Parses and validates a text, or takes it from the cache.
    fn parse(&self, text: &str) -> Result<Document, Rejected> {
        if let Some(document) = self.parsed.get(text) {
            return Ok(document);
        }
        // Trusted documents were checked when they were loaded.
        if let Some(document) = self.trusted.by_hash(&Hash::of(text)) {
            return Ok(document);
        }
        if self.is_trusted_only {
            let message = "this server executes only trusted documents (--trusted-only): send the documentId of one";
            return Err(as_server_error(Error::new(Code::DocumentNotTrusted, message)).into());
        }
        document_limits::check_tokens(text, &self.limits)?;
        let document =
            validation::read(&self.schema, "query", text, self.disclosure.suggestions, document_limits::check_whole)?;
        let document = Document::new(Arc::clone(&self.schema), document);
        if text.len() <= MAX_CACHED_TEXT_BYTES {
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

    /// Returns the document that was registered with this hash. Apollo clients send the ids of a manifest as hashes too.
    fn by_hash(&self, hash: &str) -> Result<Document, Rejected> {
        // Apollo clients depend on these messages.
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

    /// Parses a text that was sent with its hash, and registers it if it is valid.
    fn register(&self, text: &str, digits: &str) -> Result<Document, Rejected> {
        let hash = Hash::of(text);
        if Hash::parse(digits) != Some(hash) {
            let message = "extensions.persistedQuery.sha256Hash: this is not the SHA-256 of query";
            return Err(as_server_error(Error::bad_input(message)).into());
        }
        let document = self.parse(text)?;
        if let Some(persisted) = &self.persisted {
            persisted.insert(hash, text);
        }
        Ok(document)
    }
}
