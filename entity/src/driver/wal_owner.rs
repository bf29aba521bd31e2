//! Which file a write-ahead log belongs to. SQLite identifies a log only by its name: if a file is replaced while no process has it open, the
//! old file's log would be replayed over the new one. So an extended attribute of the log, where the file system has them, names its file.
//! The attribute does not count for a copy of the log, whose file may have been copied as well.

use std::path::Path;

/// The attribute's name.
#[cfg(target_os = "linux")]
const OWNER: &str = "user.metrograph.file";

/// The value of the attribute: inode and birth time of file and log.
#[cfg(target_os = "linux")]
fn owner(file: &Path, log: &Path) -> Option<(String, String)> {
    use std::{fs, os::unix::fs::MetadataExt as _, time::UNIX_EPOCH};

    let name = |path: &Path| {
        let found = fs::metadata(path).ok()?;
        // Inode numbers are reused.
        let made = found.created().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(format!("{}:{}", found.ino(), made.as_nanos()))
    };
    Some((name(file)?, name(log)?))
}

/// Marks `log` as belonging to `file`, where the file system can.
#[cfg(target_os = "linux")]
pub(crate) fn claim(file: &Path, log: &Path) {
    use rustix::fs::{XattrFlags, setxattr};

    if let Some((file, log_itself)) = owner(file, log) {
        // Without the attribute there is no check.
        let _ = setxattr(log, OWNER, format!("{file} {log_itself}").as_bytes(), XattrFlags::empty());
    }
}

/// Whether `log` is marked as belonging to another file than `file`.
#[cfg(target_os = "linux")]
pub fn is_of_another(file: &Path, log: &Path) -> bool {
    let mut buffer = [0; 256];
    let mark = rustix::fs::getxattr(log, OWNER, &mut buffer)
        .ok()
        .and_then(|length| str::from_utf8(buffer.get(..length)?).ok());
    let Some((owner_then, log_then)) = mark.and_then(|mark| mark.split_once(' ')) else { return false };
    owner(file, log).is_some_and(|(now, log_now)| log_now == log_then && now != owner_then)
}

/// There are no such attributes.
#[cfg(not(target_os = "linux"))]
pub(crate) fn claim(_: &Path, _: &Path) {}

/// There are no such attributes.
#[cfg(not(target_os = "linux"))]
pub fn is_of_another(_: &Path, _: &Path) -> bool {
    false
}
