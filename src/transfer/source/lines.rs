//! The lines of an export, from a file or from standard input.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::Path,
};

use super::reading::{Sender, SourceError};
use crate::transfer::{ndjson, record::Parts};

/// Bytes of a line: several times the longest that an export has.
const MAX_LINE_BYTES: u64 = 64 * 1024 * 1024;

/// Reads all of it, as far as `sender` takes it.
pub(super) fn read(path: Option<&Path>, name: &str, sender: &Sender) {
    let read = match path {
        Some(path) => File::open(path).and_then(|file| read_from(BufReader::with_capacity(1 << 18, file), sender)),
        None => read_from(BufReader::new(io::stdin()), sender),
    };
    if let Err(error) = read {
        // Without a receiver, nobody wants to know.
        let _ = sender.blocking_send(Err(SourceError::Unreadable(name.to_owned(), error.to_string())));
    }
}

fn read_from(mut input: impl BufRead, sender: &Sender) -> io::Result<()> {
    let (mut parts, mut position, mut line) = (Parts::default(), 0, Vec::new());
    for number in 1_u64.. {
        line.clear();
        let read = io::Read::take(&mut input, MAX_LINE_BYTES).read_until(b'\n', &mut line)?;
        if read == 0 {
            break;
        }
        if read as u64 == MAX_LINE_BYTES {
            return Err(io::Error::other(format!(
                "line {number} has more than {MAX_LINE_BYTES} bytes: it is no export"
            )));
        }
        position += read as u64;
        let record = match str::from_utf8(&line) {
            Ok(line) => ndjson::record(line.trim_end()).transpose(),
            Err(_) => Some(Err("it is no text in UTF-8".to_owned())),
        };
        if let Some(record) = record {
            parts.add(|| format!("line {number}"), record);
        }
        if let Some(part) = parts.full(position)
            && sender.blocking_send(Ok(part)).is_err()
        {
            return Ok(());
        }
    }
    // Without a receiver, nobody wants the rest.
    let _ = sender.blocking_send(Ok(parts.rest(position)));
    Ok(())
}
