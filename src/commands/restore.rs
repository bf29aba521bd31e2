//! `metrograph restore`: puts a verified copy of a backup where the database is, and keeps what was there.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use entity::{
    driver::{copy::Sole, wal_owner},
    time,
};

use crate::{
    commands::backup::verified,
    config::{DatabaseUrl, RestoreCommand, Settings, StorageSettings, quoted},
    db::{CopyError, OpenError, Partial, copy, is_open_elsewhere, sync_folder},
};

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// PostgreSQL has its own program.
    #[error(
        "--database-url: the database is on a PostgreSQL server: restore it with pg_restore --clean --if-exists \
         --single-transaction{1} {0}"
    )]
    Postgres(String, String),
    /// Nothing may be written.
    #[error(transparent)]
    ReadOnly(OpenError),
    /// The backup can't be used.
    #[error("FROM: {0}: nothing was restored")]
    Backup(String),
    /// A server runs.
    #[error("--database-url: a server has {0} open: stop it first. Nothing was restored")]
    Open(String),
    /// The file can't be replaced.
    #[error("--database-url: {0}: nothing was restored")]
    Target(String),
}

/// Runs the command and prints what it did.
pub(crate) async fn print_result(command: &RestoreCommand, settings: &Settings) -> Result<(), String> {
    let note = run(command, &settings.database_url, &settings.storage).await;
    let note = note.map_err(|error| settings.named(&error))?;
    // Standard error is closed, so nothing can be reported.
    let _ = io::stderr().write_all(note.as_bytes());
    Ok(())
}

/// Restores the database at `url`, and returns what was done, in words.
///
/// # Errors
/// [`RestoreError`]; then the database is as it was.
pub async fn run(
    command: &RestoreCommand,
    url: &DatabaseUrl,
    storage: &StorageSettings,
) -> Result<String, RestoreError> {
    let from = &command.from;
    let Some(target) = url.sqlite_file() else {
        let file = quoted(&from.to_string_lossy());
        return Err(RestoreError::Postgres(file, url.arguments_of_postgres()));
    };
    if storage.read_only {
        return Err(RestoreError::ReadOnly(OpenError::ReadOnly));
    }
    let backup = |reason: String| RestoreError::Backup(format!("{}: {}", from.display(), plain(&reason, from)));
    if !from.is_file() {
        return Err(backup("there is no such file".to_owned()));
    }
    // Links stay, and lead to the restored file.
    let target = fs::canonicalize(&target).unwrap_or(target);
    if fs::canonicalize(from).is_ok_and(|from| from == target) {
        return Err(backup("it is the database itself: give a backup of it".to_owned()));
    }
    let of_target = |error: io::Error| RestoreError::Target(format!("{}: {error}", target.display()));
    let is_there = fs::symlink_metadata(&target).is_ok();
    let like = if is_there { &target } else { from };
    let partial = Partial::of(&target, like).map_err(|error| RestoreError::Target(error.to_string()))?;
    // Early, and without a change; again when it is replaced.
    if is_open_elsewhere(&target) {
        return Err(RestoreError::Open(url.shown().to_owned()));
    }
    let source = DatabaseUrl::of_file(from).map_err(backup)?;
    let is_current = copy(&source, partial.path()).await.map_err(|error| backup(error.to_string()))?;
    let verified = if is_current {
        verified(partial.path(), storage).await.map_err(backup)?
    } else {
        "its tables are those of an older version, so its counters were not checked".to_owned()
    };
    let _locked = lock(&target, url)?;
    let kept = if is_there { Some(keep(&target).map_err(of_target)?) } else { None };
    let place = |error: CopyError| RestoreError::Target(error.to_string());
    partial.complete(is_there).map_err(place)?;
    let kept = kept.map_or_else(String::new, |kept| format!(" What was there before is kept as {}.", kept.display()));
    Ok(format!("{} was restored from {}; {verified}.{kept}\n", url.shown(), from.display()))
}

/// Returns a reason without the flag and the path of the database, which the backup is not.
fn plain(reason: &str, from: &Path) -> String {
    let reason = reason.strip_prefix("--database-url: ").unwrap_or(reason);
    let path = std::path::absolute(from).unwrap_or_else(|_| from.to_owned());
    let named = [from, &path].into_iter().find_map(|path| reason.strip_prefix(&format!("{}: ", path.display())));
    named.unwrap_or(reason).to_owned()
}

/// Locks the file, so that no server opens it. A file that SQLite can't open must not be open elsewhere; nothing locks it.
fn lock(target: &Path, url: &DatabaseUrl) -> Result<Option<Sole>, RestoreError> {
    let log = suffixed(target, "-wal");
    let has_log = fs::metadata(&log).is_ok_and(|log| log.len() > 0);
    if fs::symlink_metadata(target).is_err() {
        // It may be of use with the file that it belongs to.
        let reason = format!("its log {} is there without it: move it away", log.display());
        return if has_log { Err(RestoreError::Target(reason)) } else { Ok(None) };
    }
    let open = || RestoreError::Open(url.shown().to_owned());
    let is_foreign = has_log && wal_owner::is_of_another(target, &log);
    let sole = if is_foreign { None } else { Sole::of(target).ok() };
    match sole {
        Some(Some(sole)) => Ok(Some(sole)),
        Some(None) => Err(open()),
        None if is_open_elsewhere(target) => Err(open()),
        None => Ok(None),
    }
}

/// Gives the file a second name, and its log, if SQLite could not fold it in, the one that belongs to that. Returns the name.
fn keep(target: &Path) -> io::Result<PathBuf> {
    let now = time::now();
    let date: String =
        time::canonical(now - now.rem_euclid(1_000_000)).chars().filter(char::is_ascii_alphanumeric).collect();
    let mut kept = suffixed(target, &format!(".before-{date}Z"));
    if fs::symlink_metadata(&kept).is_ok() {
        kept = suffixed(target, &format!(".before-{date}.{:06}Z", now.rem_euclid(1_000_000)));
    }
    fs::hard_link(target, &kept).or_else(|_| fs::copy(target, &kept).map(drop))?;
    for end in ["-wal", "-journal"] {
        match fs::rename(suffixed(target, end), suffixed(&kept, end)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    match fs::remove_file(suffixed(target, "-shm")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    sync_folder(target)?;
    Ok(kept)
}

/// The path with a suffix.
fn suffixed(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}
