//! Digests of names, for unique indexes: PostgreSQL limits the size of index rows, but names may be longer.

use sha2::{Digest as _, Sha256};

/// The first 16 bytes of a SHA-256.
pub type Digest = [u8; 16];

/// The digest of `parts` in their order. Each is preceded by its length, so that different lists of parts have different inputs.
pub fn digest(parts: &[&str]) -> Digest {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let mut digest = Digest::default();
    digest.copy_from_slice(&hasher.finalize()[..16]);
    digest
}
