//! Whose a write-ahead log is. SQLite knows a log by its name alone: beside a file that was put in the place of another one, while nobody had
//! it open, the other one's log would be replayed over it. So the log says, in an attribute where the file system has such, which file it
//! belongs to; a log that was copied says nothing any more, since whoever copied it may have copied the file, too.

use std::path::Path;

/// The attribute's name.
#[cfg(target_os = "linux")]
const OWNER: &str = "user.metrograph.file";

/// What the attribute says: file and log as they are called by the file system.
#[cfg(target_os = "linux")]
fn owner(file: &Path, log: &Path) -> Option<(String, String)> {
    use std::{fs, os::unix::fs::MetadataExt as _, time::UNIX_EPOCH};

    let name = |path: &Path| {
        let found = fs::metadata(path).ok()?;
        // Numbers of files that are gone are given to new ones.
        let made = found.created().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(format!("{}:{}", found.ino(), made.as_nanos()))
    };
    Some((name(file)?, name(log)?))
}

/// Has `log` say that it belongs to `file`, where that can be said.
#[cfg(target_os = "linux")]
pub(crate) fn claim(file: &Path, log: &Path) {
    use rustix::fs::{XattrFlags, setxattr};

    if let Some((file, log_itself)) = owner(file, log) {
        // Where it can't be said, nothing is said.
        let _ = setxattr(log, OWNER, format!("{file} {log_itself}").as_bytes(), XattrFlags::empty());
    }
}

/// Whether `log` says that it belongs to another file than the one called `file`.
#[cfg(target_os = "linux")]
pub fn is_of_another(file: &Path, log: &Path) -> bool {
    let mut said = [0; 256];
    let said =
        rustix::fs::getxattr(log, OWNER, &mut said).ok().and_then(|length| str::from_utf8(said.get(..length)?).ok());
    let Some((owner_then, log_then)) = said.and_then(|said| said.split_once(' ')) else { return false };
    owner(file, log).is_some_and(|(now, log_now)| log_now == log_then && now != owner_then)
}

/// Nothing can be said.
#[cfg(not(target_os = "linux"))]
pub(crate) fn claim(_: &Path, _: &Path) {}

/// Nothing was said.
#[cfg(not(target_os = "linux"))]
pub fn is_of_another(_: &Path, _: &Path) -> bool {
    false
}
