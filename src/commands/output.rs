//! Standard output.

use std::io::{self, Write as _};

/// Prints to standard output. A closed pipe, such as that of `head`, is no error.
pub(super) fn print(text: &str) -> Result<(), String> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.to_string()),
        _ => Ok(()),
    }
}
