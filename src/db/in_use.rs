//! Which other process has a file open.

use std::path::Path;

/// The byte of the index of the log on which each connection holds a lock for as long as it is open.
#[cfg(unix)]
const LOCKED_BYTE: u64 = 128;

/// Returns the process that has the database in this file open.
///
/// SQLite's locks are those of the process: closing the index would release them, so this process must not have the file open itself.
#[cfg(unix)]
pub(super) fn user(path: &Path) -> Option<i32> {
    use rustix::process::{Flock, FlockOffsetType, FlockType, fcntl_getlk};

    let mut index = std::fs::canonicalize(path).ok()?.into_os_string();
    index.push("-shm");
    let index = std::fs::File::open(index).ok()?;
    let lock = Flock {
        start: LOCKED_BYTE,
        length: 1,
        pid: None,
        typ: FlockType::WriteLock,
        offset_type: FlockOffsetType::Set,
    };
    let holder = fcntl_getlk(&index, &lock).ok()??;
    Some(holder.pid.map_or(0, |pid| pid.as_raw_nonzero().get()))
}

/// The system does not tell.
#[cfg(not(unix))]
pub(super) fn user(_: &Path) -> Option<i32> {
    None
}
