//! Automatic persisted queries (APQ): clients send a text with its hash once, and only the hash from then on.

use std::{fmt, sync::Arc};

use quick_cache::{Weighter, sync::Cache};
use sha2::{Digest as _, Sha256};

/// The SHA-256 of a document's text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// Hashes a text.
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// Parses 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        let mut hash = [0; 32];
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        for (byte, index) in hash.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&text[index..index + 2], 16).ok()?;
        }
        Some(Self(hash))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Estimated bytes of an entry besides its text.
const ENTRY_OVERHEAD: u64 = 100;

#[derive(Clone)]
struct TextWeight;

impl Weighter<Hash, Arc<str>> for TextWeight {
    fn weight(&self, _: &Hash, text: &Arc<str>) -> u64 {
        text.len() as u64 + ENTRY_OVERHEAD
    }
}

/// The texts that clients have registered: a cache that evicts those that are not used.
pub(crate) struct PersistedDocuments(Cache<Hash, Arc<str>, TextWeight>);

impl PersistedDocuments {
    /// Builds a cache of at most `bytes`; `None` if it is 0.
    pub fn with_capacity(bytes: u64) -> Option<Self> {
        /// Estimated bytes of a document.
        const TYPICAL_BYTES: u64 = 1_000;
        let items = usize::try_from(bytes / TYPICAL_BYTES).unwrap_or(usize::MAX);
        (bytes > 0).then(|| Self(Cache::with_weighter(items, bytes, TextWeight)))
    }

    /// Returns the text with this hash.
    pub fn get(&self, hash: &Hash) -> Option<Arc<str>> {
        self.0.get(hash)
    }

    /// Registers a text.
    pub fn insert(&self, hash: Hash, text: &str) {
        self.0.insert(hash, text.into());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that can't go on fails")]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_read_from_its_digits() {
        let hash = Hash::of("{ __typename }");
        let digits = format!("{hash:?}");
        assert!(Hash::parse(&digits) == Some(hash) && Hash::parse(&digits.to_uppercase()) == Some(hash));
        for wrong in ["", "0", &digits[1..], &format!("+{}", &digits[1..]), &format!("é{}", &digits[2..])] {
            assert!(Hash::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn texts_are_kept_within_the_capacity() {
        assert!(PersistedDocuments::with_capacity(0).is_none());
        let documents = PersistedDocuments::with_capacity(10_000).unwrap();
        let (hash, large) = (Hash::of("{ a }"), "a".repeat(20_000));
        documents.insert(hash, "{ a }");
        documents.insert(Hash::of(&large), &large);
        assert!(documents.get(&Hash::of(&large)).is_none());
        assert_eq!(documents.get(&hash).as_deref(), Some("{ a }"));
    }
}
