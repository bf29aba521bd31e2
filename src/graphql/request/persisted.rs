//! Automatic persisted queries: documents that clients have sent along once, and name by their hash from then on.

use std::{fmt, sync::Arc};

use quick_cache::{Weighter, sync::Cache};
use sha2::{Digest as _, Sha256};

/// The SHA-256 of a document's text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// That of this text.
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// Reads 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        let mut hash = [0; 32];
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        for (byte, place) in hash.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&text[place..place + 2], 16).ok()?;
        }
        Some(Self(hash))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Bytes that a document takes beside its text, about.
const BESIDE_THE_TEXT: u64 = 100;

#[derive(Clone)]
struct Bytes;

impl Weighter<Hash, Arc<str>> for Bytes {
    fn weight(&self, _: &Hash, text: &Arc<str>) -> u64 {
        text.len() as u64 + BESIDE_THE_TEXT
    }
}

/// The documents that clients have left here, as many as there is room for: those that are asked for stay.
pub(crate) struct Persisted(Cache<Hash, Arc<str>, Bytes>);

impl Persisted {
    /// Room for so many bytes; `None` where nothing is to be kept.
    pub fn with_room(bytes: u64) -> Option<Self> {
        /// Bytes of a document, about.
        const USUAL: u64 = 1_000;
        let items = usize::try_from(bytes / USUAL).unwrap_or(usize::MAX);
        (bytes > 0).then(|| Self(Cache::with_weighter(items, bytes, Bytes)))
    }

    /// The text with this hash.
    pub fn get(&self, hash: &Hash) -> Option<Arc<str>> {
        self.0.get(hash)
    }

    /// Keeps a text.
    pub fn keep(&self, hash: Hash, text: &str) {
        self.0.insert(hash, text.into());
    }
}
