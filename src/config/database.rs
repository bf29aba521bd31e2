//! The address of a database, in its spellings.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What a path in an address does not write as it is.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_').remove(b'~').remove(b':');

/// A database that can be opened, in the spelling of this program.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

/// For logs: a password may stand in more than one place of an address, so that of a server is left out whole.
impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = if self.sqlite_file().is_some() { self.without_parameters() } else { "postgres://***" };
        f.debug_tuple("DatabaseUrl").field(&shown).finish()
    }
}

impl DatabaseUrl {
    /// The address, secrets included: not for logs.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The SQLite file, or `None` for PostgreSQL.
    pub fn sqlite_file(&self) -> Option<PathBuf> {
        let rest = self.without_parameters().strip_prefix("sqlite:")?;
        let path = rest.strip_prefix("//").unwrap_or(rest);
        Some(PathBuf::from(&*percent_decode_str(path).decode_utf8_lossy()))
    }

    /// The address as far as the `?`.
    pub fn without_parameters(&self) -> &str {
        self.0.split('?').next().unwrap_or(&self.0)
    }

    /// Reads what a monitor-server was given, in SQLAlchemy's spelling: three slashes before a relative path, four before an
    /// absolute one.
    pub(super) fn from_sqlalchemy(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").ok_or_else(|| format!("'{text}' has no scheme"))?;
        let dialect = scheme.split('+').next().unwrap_or(scheme);
        match dialect {
            "sqlite" => {
                // What follows the path is meant for Python's driver; in the path, SQLAlchemy writes every character as it is.
                let path = rest.split('?').next().unwrap_or(rest);
                let path = utf8_percent_encode(path.strip_prefix('/').unwrap_or(path), PATH);
                Self::from_str(&format!("sqlite://{path}?mode=rwc"))
            }
            "postgresql" | "postgres" => Self::from_str(&format!("postgres://{rest}")),
            _ => Err(format!("'{scheme}' is neither sqlite nor postgresql")),
        }
    }
}

impl Default for DatabaseUrl {
    fn default() -> Self {
        Self("sqlite://metrograph.db?mode=rwc".to_owned())
    }
}

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self(with_host(text)));
        }
        if !text.starts_with("sqlite:") {
            return Err("give sqlite://PATH?mode=rwc or postgres://USER:PASSWORD@HOST/NAME".to_owned());
        }
        let url = Self(text.to_owned());
        match url.sqlite_file() {
            Some(path) if path.as_os_str().is_empty() => Err("the path of the SQLite file is missing".to_owned()),
            Some(path) if path == Path::new(":memory:") || text.contains("mode=memory") => {
                Err("a database in memory would be lost at the end: give the path of a file".to_owned())
            }
            _ => Ok(url),
        }
    }
}

/// An address in which a user is followed by a host: where a folder with a socket is given as a parameter, libpq and SQLAlchemy leave it out.
fn with_host(text: &str) -> String {
    let at = text.split_once("://").and_then(|(scheme, rest)| {
        let authority = rest.find(['/', '?']).unwrap_or(rest.len());
        rest[..authority].ends_with('@').then_some(scheme.len() + 3 + authority)
    });
    at.map_or_else(|| text.to_owned(), |at| format!("{}localhost{}", &text[..at], &text[at..]))
}
