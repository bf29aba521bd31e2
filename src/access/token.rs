//! Tokens: 256 random bits, of which the database stores only a hash. Random bits need no slow hash.

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use sha2::{Digest as _, Sha256};

/// The prefix of every token, by which secret scanners recognise it.
const PREFIX: &str = "mg_";

/// Creates a token from the system's random number generator.
pub(crate) fn random() -> Result<String, getrandom::Error> {
    let mut bits = [0; 32];
    getrandom::fill(&mut bits)?;
    Ok(format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bits)))
}

/// Returns the hash of a token, which is what the database stores.
pub(crate) fn hash(token: &str) -> Vec<u8> {
    Sha256::digest(token).to_vec()
}

/// Extracts the token from the value of an `Authorization` header without checking it.
pub(crate) fn sent_in(credentials: &str) -> Option<String> {
    let (scheme, value) = credentials.trim().split_once(' ')?;
    let value = value.trim();
    let token = if scheme.eq_ignore_ascii_case("bearer") {
        value.to_owned()
    } else if scheme.eq_ignore_ascii_case("basic") {
        let login = String::from_utf8(BASE64_STANDARD.decode(value).ok()?).ok()?;
        login.split_once(':')?.1.to_owned()
    } else {
        return None;
    };
    (!token.is_empty()).then_some(token)
}
