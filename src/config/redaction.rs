//! Names for messages that may hide a secret that was given in the wrong place.

use std::path::Path;

/// Returns a path for messages, unless it may be a URL with a login that was given by mistake.
pub(crate) fn redacted_path(path: &Path) -> String {
    let text = path.display().to_string();
    if text.contains(['@', '=']) || text.contains("://") { "***".to_owned() } else { text }
}

/// Returns the name of a database or role for messages, unless it may contain parameters, such as a password, that were
/// given without a `?` before them.
pub(crate) fn redacted_name(name: &str) -> &str {
    if name.chars().all(|c| c.is_alphanumeric() || "_-.$".contains(c)) { name } else { "***" }
}
