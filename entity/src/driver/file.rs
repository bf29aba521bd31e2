//! The file that a database is in: whether what is found under its name still is what was opened. An open file follows its
//! descriptors, not its name: whoever goes on writing after it was removed or replaced writes where nobody will look.
//!
//! Only names are looked at. Opening the file beside SQLite, and closing it again, would give up SQLite's locks on it.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use sea_orm::DbErr;

use crate::driver::wal_owner;

/// What SQLite keeps beside a file: its write-ahead log and the index of that.
const COMPANIONS: [&str; 2] = ["-wal", "-shm"];

/// What a file is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// It may be changed.
    Write,
    /// It must stay as it is. What reading it takes may be left beside it.
    Read,
    /// The same; it may be written, so that what reading takes can be put beside it, and is taken away again by the last one.
    Visit,
    /// It must stay as it is, and nothing can be put beside it: nobody else may write to it meanwhile.
    ReadAtRest,
}

/// A database's file as it was opened, with what lies beside it.
#[derive(Debug)]
pub struct File {
    /// As it was given, which links may lead away from later.
    name: PathBuf,
    /// Where it is.
    path: PathBuf,
    opened: Identity,
    /// [`COMPANIONS`], where it is used: not every file system can have a log.
    companions: [Option<Identity>; 2],
    purpose: Purpose,
    /// When it was changed last, and its length.
    left: (SystemTime, u64),
}

/// In what way a file is no longer where it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Astray {
    /// Nothing is there, or it can't be looked at, for this reason.
    Gone(PathBuf, String),
    /// Something else is there, or nothing is left of what was in it.
    Replaced(PathBuf),
    /// It is there, but its log or the log's index is not.
    LogGone(PathBuf),
    /// It is there, but the log or the log's index beside it is another one.
    LogReplaced(PathBuf),
    /// It was opened as one that nobody writes to, and somebody does.
    Changed(PathBuf),
}

/// In words for whoever asks, who need not know the folder.
impl fmt::Display for Astray {
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

impl From<Astray> for DbErr {
    fn from(astray: Astray) -> Self {
        Self::Custom(astray.to_string())
    }
}

impl File {
    /// The file called `name`, which a connection that reads has open where it may be changed.
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
        Ok(Self { opened: Identity::of(&path)?, companions, purpose, left: left(&path)?, name, path })
    }

    /// What it was opened for.
    pub(crate) fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Its name for SQLite where nothing is to be put beside it.
    pub(crate) fn uri_at_rest(&self) -> PathBuf {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
        let encode = |byte: &u8| if plain(*byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") };
        let path: String = self.path.as_os_str().as_encoded_bytes().iter().map(encode).collect();
        format!("file://{path}?immutable=1").into()
    }

    /// Whether what the log holds is to stay there, since the file must stay as it is.
    pub(crate) fn leaves_log(&self) -> bool {
        self.purpose != Purpose::Write && self.has_log()
    }

    fn has_log(&self) -> bool {
        Identity::of(&with_suffix(&self.path, COMPANIONS[0])).is_ok_and(|log| !log.is_empty)
    }

    /// Where it is, wherever the links in its name lead later.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether all is where it was opened. The system is asked each time, at a microsecond a name.
    ///
    /// # Errors
    /// What is not.
    pub fn look(&self) -> Result<(), Astray> {
        let is_link = self.name != self.path;
        for path in std::iter::once(&self.path).chain(is_link.then_some(&self.name)) {
            match Identity::of(path) {
                Ok(found) if found == self.opened && !found.is_empty => {}
                Ok(_) => return Err(Astray::Replaced(path.clone())),
                Err(error) => return Err(Astray::Gone(path.clone(), error.to_string())),
            }
        }
        let is_changed = || self.has_log() || left(&self.path).ok() != Some(self.left);
        if self.purpose == Purpose::ReadAtRest && is_changed() {
            return Err(Astray::Changed(self.path.clone()));
        }
        for (path, opened) in self.companions() {
            match Identity::of(&path) {
                Ok(found) if found == opened => {}
                Ok(_) => return Err(Astray::LogReplaced(path)),
                Err(_) => return Err(Astray::LogGone(path)),
            }
        }
        Ok(())
    }

    fn companions(&self) -> impl Iterator<Item = (PathBuf, Identity)> {
        let opened = COMPANIONS.iter().zip(self.companions);
        opened.filter_map(|(end, opened)| Some((with_suffix(&self.path, end), opened?)))
    }

    /// Whether another log, which holds something, is where ours was.
    pub(crate) fn has_foreign_log(&self) -> bool {
        let found = Identity::of(&with_suffix(&self.path, COMPANIONS[0])).ok();
        found.is_some_and(|found| self.companions[0].is_some_and(|opened| found != opened) && !found.is_empty)
    }

    /// Takes our log away from a name that no longer is our file's: whoever opens what is there would read it as that one's log.
    /// A log that still holds something is kept under a name that nobody takes for a log. Gives that name.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn leave(&self) -> io::Result<Option<PathBuf>> {
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

/// When it was changed last, and its length.
fn left(path: &Path) -> io::Result<(SystemTime, u64)> {
    let found = fs::metadata(path)?;
    Ok((found.modified()?, found.len()))
}

/// The name with another end.
fn with_suffix(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// Which file it is, whatever it is called.
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
        // A mount may lead to a file whose last name is gone.
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

/// Elsewhere nobody can remove or replace what is open.
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
