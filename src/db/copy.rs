//! Copies of a database in a file, which come under their names only when they are complete and verified.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use entity::{
    driver::{copy as driver, file::File},
    time,
};
use sea_orm::DbErr;

use super::{
    file::{folder_of, to_read, with_suffix},
    migrations,
    open_error::OpenError,
};
use crate::config::DatabaseUrl;

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CopyError {
    /// What is to be copied is no database of this version, or an older one.
    #[error(transparent)]
    Unusable(#[from] OpenError),
    /// There are no tables in it.
    #[error("there is no database of Metrograph in {0}")]
    Missing(String),
    /// It can't be read, or the copy not be written.
    #[error("the copy failed: {0}: check that the database is sound and that there is room")]
    Failed(#[from] DbErr),
    /// A file of the copy can't be made, or renamed.
    #[error("{path}: {1}", path = .0.display())]
    File(PathBuf, io::Error),
}

/// A copy that is not complete. It is removed, unless it gets its name.
#[derive(Debug)]
pub(crate) struct Partial {
    path: PathBuf,
    target: PathBuf,
}

impl Partial {
    /// Makes an empty file next to `target`, with the permissions of `like`.
    pub(crate) fn of(target: &Path, like: &Path) -> Result<Self, CopyError> {
        let path = with_suffix(target, &format!(".{}.partial", time::now()));
        let make = || {
            fs::File::create_new(&path)?;
            fs::set_permissions(&path, writable(&fs::metadata(like)?.permissions()))
        };
        make().map_err(|error: io::Error| CopyError::File(path.clone(), error))?;
        own_like(&path, like);
        Ok(Self { path, target: target.to_owned() })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Has it on disk, and gives it its name. With `replaces`, it takes the place of a file; else there must be none.
    pub(crate) fn complete(self, replaces: bool) -> Result<(), CopyError> {
        let named = fs::File::open(&self.path).and_then(|file| file.sync_all()).and_then(|()| {
            if replaces { fs::rename(&self.path, &self.target) } else { name_new(&self.path, &self.target) }
        });
        named.and_then(|()| sync_folder(&self.target)).map_err(|error| CopyError::File(self.target.clone(), error))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // Once it has its name, it is gone.
        for end in ["", "-wal", "-shm", "-journal"] {
            let _ = fs::remove_file(with_suffix(&self.path, end));
        }
    }
}

/// Gives a file a name that no other has. Only where the file system has no links, a file that comes at the same moment is lost.
fn name_new(path: &Path, target: &Path) -> io::Result<()> {
    match fs::hard_link(path, target) {
        Ok(()) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        Err(_) if fs::symlink_metadata(target).is_ok() => Err(io::ErrorKind::AlreadyExists.into()),
        Err(_) => fs::rename(path, target),
    }
}

/// Has the name of a file on disk.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) { fs::File::open(folder_of(path))?.sync_all() } else { Ok(()) }
}

/// Adds the owner's right to read and write.
#[cfg(unix)]
fn writable(permissions: &fs::Permissions) -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt as _;

    fs::Permissions::from_mode(permissions.mode() | 0o600)
}

#[cfg(not(unix))]
fn writable(permissions: &fs::Permissions) -> fs::Permissions {
    permissions.clone()
}

/// Gives a file the owner of another one, where this process may: a server's user may not be the one that restores.
#[cfg(unix)]
fn own_like(path: &Path, like: &Path) {
    use std::os::unix::fs::{MetadataExt as _, chown};

    if let Ok(found) = fs::metadata(like) {
        // Only root may.
        let _ = chown(path, Some(found.uid()), Some(found.gid()));
    }
}

#[cfg(not(unix))]
fn own_like(_: &Path, _: &Path) {}

/// Copies the database in the file of `url` to `to`, as it is at one moment. Servers may write to it meanwhile. Returns whether its tables
/// are those of this version.
pub(crate) async fn copy(url: &DatabaseUrl, to: &Path) -> Result<bool, CopyError> {
    let missing = || CopyError::Missing(url.shown().to_owned());
    let path = url.sqlite_file().ok_or_else(missing)?;
    if !path.exists() {
        return Err(missing());
    }
    if migrations::applied(url, true).await?.is_none() {
        return Err(missing());
    }
    let is_current = match migrations::is_lacking(url, true).await {
        Ok(_) => true,
        Err(OpenError::Older(_)) => false,
        Err(error) => return Err(error.into()),
    };
    let file = File::opened(&path, to_read(url, &path)).map_err(|error| CopyError::File(path.clone(), error))?;
    let (file, to) = (Arc::new(file), to.to_owned());
    let copied = tokio::task::spawn_blocking(move || {
        driver::copy(&file, &to)?;
        driver::faults(&to)
    });
    let faults = copied.await.map_err(|error| DbErr::Custom(error.to_string()))??;
    match faults.first() {
        Some(fault) => Err(DbErr::Custom(format!("{} faults were found in it: {fault}", faults.len())).into()),
        None => Ok(is_current),
    }
}
