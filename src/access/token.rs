//! What is sent as a token: 256 random bits, of which the database knows the hash alone. Bits that nobody can guess need no slow
//! hash.

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use sha2::{Digest as _, Sha256};

/// What every token begins with, so that scanners for secrets know it.
const PREFIX: &str = "mg_";

/// Makes a token from the system's own source of randomness.
pub(crate) fn random() -> Result<String, getrandom::Error> {
    let mut bits = [0; 32];
    getrandom::fill(&mut bits)?;
    Ok(format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bits)))
}

/// What is stored of it.
pub(crate) fn hash(token: &str) -> Vec<u8> {
    Sha256::digest(token).to_vec()
}

/// The token in the value of an `Authorization` header, whatever its worth.
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
