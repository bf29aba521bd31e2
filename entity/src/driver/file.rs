//! Whether the name of the database's file still leads to the file that was opened. SQLite writes to the open file, not to the name: after
//! the file was removed or replaced, everything written would be lost.
//!
//! Only names are looked up. Opening and closing the file here would release SQLite's (POSIX) locks on it.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use sea_orm::DbErr;

use crate::driver::wal_owner;

/// Suffixes of the files that SQLite keeps next to a database: the write-ahead log, and its index in shared memory.
const COMPANIONS: [&str; 2] = ["-wal", "-shm"];

/// What a file is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// It may be changed.
    Write,
    /// It must not change. Reading may leave a log next to it.
    Read,
    /// It must not change, but it may be written: reading can create a log next to it, which the last reader removes.
    Visit,
    /// It must not change, and no log can be created next to it: no other process may write to it meanwhile.
    ReadAtRest,
}

/// A database's file as it was opened, with its log.
#[derive(Debug)]
pub struct File {
    /// As it was given. Links in it may lead elsewhere later.
    name: PathBuf,
    /// Its real path.
    path: PathBuf,
    opened: Identity,
    /// The log and its index, where there are any: not every file system supports them.
    companions: [Option<Identity>; 2],
    purpose: Purpose,
    /// Time of the last change, and length, when it was opened.
    state: (SystemTime, u64),
}

/// How a file is no longer where it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileError {
    /// It is not there, or can't be accessed, for this reason.
    Gone(PathBuf, String),
    /// Another file is there, or it is empty.
    Replaced(PathBuf),
    /// It is there, but its log or the log's index is not.
    LogGone(PathBuf),
    /// It is there, but the log or the log's index is another file.
    LogReplaced(PathBuf),
    /// It was opened as a file that does not change, and another process writes to it.
    Changed(PathBuf),
}

/// The message names no folder: it is sent to clients.
impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Gone(path, _)
        | Self::Replaced(path)
        | Self::LogGone(path)
        | Self::LogReplaced(path)
        | Self::Changed(path)) = self;
        let name = path.file_name().unwrap_or_default().display();
        match self {
            Self::Gone(_, reason) => write!(
                f,
                "the database's file {name} is not where it was opened ({reason}): put the same file back, or restart the server"
            ),
            Self::Replaced(_) => write!(
                f,
                "another file is where the database's file {name} was opened: put the same file back, or restart the server"
            ),
            Self::LogGone(_) => write!(
                f,
                "the database's log {name} was removed: stop the server in order, so that nothing is lost, and start it again"
            ),
            Self::LogReplaced(_) => write!(
                f,
                "another file is where the database's log {name} was: end what else uses the database, and restart the server"
            ),
            Self::Changed(_) => write!(
                f,
                "the database's file {name} was at rest when it was opened, and is written to by another process: restart the server"
            ),
        }
    }
}

impl From<FileError> for DbErr {
    fn from(error: FileError) -> Self {
        Self::Custom(error.to_string())
    }
}

impl File {
    /// Notes which file `name` leads to. If the file may be changed, a connection must have it open for reading.
    ///
    /// # Errors
    /// The system's.
    pub fn opened(name: &Path, purpose: Purpose) -> io::Result<Self> {
        let (name, path) = (std::path::absolute(name)?, fs::canonicalize(name)?);
        let identity = |path: &Path| match Identity::of(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            found => found.map(Some),
        };
        let [log, index] = COMPANIONS.map(|end| with_suffix(&path, end));
        if purpose == Purpose::Write {
            wal_owner::claim(&path, &log);
        }
        let companions = [identity(&log)?, identity(&index)?];
        Ok(Self { opened: Identity::of(&path)?, companions, purpose, state: state(&path)?, name, path })
    }

    /// What it was opened for.
    pub(crate) fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// The URI by which SQLite opens it without creating a log.
    pub(crate) fn uri_at_rest(&self) -> PathBuf {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
        let encode = |byte: &u8| if plain(*byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") };
        let path: String = self.path.as_os_str().as_encoded_bytes().iter().map(encode).collect();
        format!("file://{path}?immutable=1").into()
    }

    /// Whether the log must not be folded into the file, since the file must not change.
    pub(crate) fn leaves_log(&self) -> bool {
        self.purpose != Purpose::Write && self.has_log()
    }

    fn has_log(&self) -> bool {
        Identity::of(&with_suffix(&self.path, COMPANIONS[0])).is_ok_and(|log| !log.is_empty)
    }

    /// Its real path, wherever the links in its name lead later.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Checks that everything is where it was opened: a system call for each name, which takes a microsecond.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check(&self) -> Result<(), FileError> {
        let is_link = self.name != self.path;
        for path in std::iter::once(&self.path).chain(is_link.then_some(&self.name)) {
            match Identity::of(path) {
                Ok(found) if found == self.opened && !found.is_empty => {}
                Ok(_) => return Err(FileError::Replaced(path.clone())),
                Err(error) => return Err(FileError::Gone(path.clone(), error.to_string())),
            }
        }
        let is_changed = || self.has_log() || state(&self.path).ok() != Some(self.state);
        if self.purpose == Purpose::ReadAtRest && is_changed() {
            return Err(FileError::Changed(self.path.clone()));
        }
        for (path, opened) in self.companions() {
            match Identity::of(&path) {
                Ok(found) if found == opened => {}
                Ok(_) => return Err(FileError::LogReplaced(path)),
                Err(_) => return Err(FileError::LogGone(path)),
            }
        }
        Ok(())
    }

    fn companions(&self) -> impl Iterator<Item = (PathBuf, Identity)> {
        let opened = COMPANIONS.iter().zip(self.companions);
        opened.filter_map(|(end, opened)| Some((with_suffix(&self.path, end), opened?)))
    }

    /// Whether another log, which is not empty, is where ours was.
    pub(crate) fn has_foreign_log(&self) -> bool {
        let found = Identity::of(&with_suffix(&self.path, COMPANIONS[0])).ok();
        found.is_some_and(|found| self.companions[0].is_some_and(|opened| found != opened) && !found.is_empty)
    }

    /// Removes our log from a name that is no longer our file's: SQLite would replay it over the file that is there now. A log that is not
    /// empty is renamed instead. Returns the new name.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn abandon(&self) -> io::Result<Option<PathBuf>> {
        let [log, index] = COMPANIONS.map(|end| with_suffix(&self.path, end));
        let is_ours =
            |path: &Path, opened: Option<Identity>| Identity::of(path).ok().filter(|found| Some(*found) == opened);
        if is_ours(&index, self.companions[1]).is_some() {
            fs::remove_file(&index)?;
        }
        match is_ours(&log, self.companions[0]) {
            None => Ok(None),
            Some(found) if found.is_empty => fs::remove_file(&log).map(|()| None),
            Some(_) => {
                let kept = with_suffix(&log, ".kept");
                fs::rename(&log, &kept)?;
                Ok(Some(kept))
            }
        }
    }
}

/// Time of the last change, and length.
fn state(path: &Path) -> io::Result<(SystemTime, u64)> {
    let found = fs::metadata(path)?;
    Ok((found.modified()?, found.len()))
}

/// The path with a suffix.
fn with_suffix(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// Which file it is, whatever its name.
#[derive(Debug, Clone, Copy)]
struct Identity {
    #[cfg(unix)]
    device_and_inode: (u64, u64),
    is_empty: bool,
}

#[cfg(unix)]
impl Identity {
    fn of(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::MetadataExt as _;

        let found = fs::metadata(path)?;
        // A mount may lead to a file without a name.
        let is_gone = found.nlink() == 0;
        if is_gone {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Self { device_and_inode: (found.dev(), found.ino()), is_empty: found.len() == 0 })
    }
}

#[cfg(unix)]
impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.device_and_inode == other.device_and_inode
    }
}

/// Elsewhere an open file can't be removed or replaced.
#[cfg(not(unix))]
impl Identity {
    fn of(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|found| Self { is_empty: found.len() == 0 })
    }
}

#[cfg(not(unix))]
impl PartialEq for Identity {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
