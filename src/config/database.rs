//! Database URLs in their supported forms.

mod postgres;

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::config::redaction::{redacted_name, redacted_path};
use postgres::{Parts, Spelling};

/// Characters that are percent-encoded in the path of a URL.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_').remove(b'~');

/// Schemes that messages may name; any other may be part of a password.
const OTHER_SCHEMES: &[&str] =
    &["cockroachdb", "file", "http", "https", "mariadb", "mongodb", "mssql", "mysql", "oracle", "redis", "sqlserver"];
const GIVE: &str = "give sqlite://PATH?mode=rwc or postgres://USER:PASSWORD@HOST/NAME";
const NO_LOGIN: &str = "sqlite:***: the address of a SQLite file holds no user and no password";

/// The URL of a database, in canonical form.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    opened: String,
    shown: String,
    ignored: Vec<&'static str>,
}

/// Redacted for PostgreSQL, because a secret may occur in several parts of a URL.
impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = if self.sqlite_file().is_some() { self.shown() } else { "postgres://***" };
        f.debug_tuple("DatabaseUrl").field(&shown).finish()
    }
}

impl DatabaseUrl {
    /// Returns the URL, secrets included: not for logs.
    pub fn as_str(&self) -> &str {
        &self.opened
    }

    /// Returns the database for messages: the absolute path of a file, or host and name without login and parameters.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// Returns parameters of libpq that have no effect here.
    pub fn ignored(&self) -> &[&'static str] {
        &self.ignored
    }

    /// Returns the path of the SQLite file, or `None` for PostgreSQL.
    pub fn sqlite_file(&self) -> Option<PathBuf> {
        let path = self.without_parameters().strip_prefix("sqlite://")?;
        Some(PathBuf::from(&*percent_decode_str(path).decode_utf8_lossy()))
    }

    /// Returns the URL of the file at `path`, which is not made if it is not there.
    ///
    /// # Errors
    /// Why there can't be such a file.
    pub(crate) fn of_file(path: &Path) -> Result<Self, String> {
        let path = path.to_str().ok_or("the path is not UTF-8")?;
        Self::sqlite(path, "mode=rw").map_err(|reason| reason.trim_start_matches("sqlite:***: ").to_owned())
    }

    /// Returns the arguments by which PostgreSQL's own programs find the database, without the password; nothing for a file.
    pub(crate) fn arguments_of_postgres(&self) -> String {
        let given = self.parameters();
        let argument = |(name, flag): (&str, &str)| {
            let (_, value) = given.iter().find(|(given, _)| given == name)?;
            let shown =
                if value.starts_with('/') { redacted_path(Path::new(value)) } else { redacted_name(value).to_owned() };
            Some(format!(" {flag}={}", quoted(&shown)))
        };
        [("host", "--host"), ("port", "--port"), ("user", "--username"), ("dbname", "--dbname")]
            .into_iter()
            .filter_map(argument)
            .collect()
    }

    /// Returns the URL up to the `?`.
    pub(crate) fn without_parameters(&self) -> &str {
        self.opened.split('?').next().unwrap_or(&self.opened)
    }

    /// Returns the parameters after the `?`.
    pub(crate) fn parameters(&self) -> Vec<(String, String)> {
        let (_, parameters) = self.opened.split_once('?').unwrap_or_default();
        form_urlencoded::parse(parameters.as_bytes()).into_owned().collect()
    }

    /// Whether this is an address, not the path of a file.
    pub(crate) fn is_address(text: &str) -> bool {
        text.starts_with("sqlite:") || text.contains("://")
    }

    /// Parses a URL in SQLAlchemy's syntax, as monitor-server uses it: three slashes before a relative path, four
    /// before an absolute one.
    pub(super) fn from_sqlalchemy(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (scheme, rest) =
            text.split_once("://").ok_or("***: it has no scheme: give sqlite:///PATH or postgresql://…")?;
        match &*dialect(scheme) {
            "sqlite" => {
                if !rest.starts_with('/') && rest.contains('@') {
                    return Err(format!("{NO_LOGIN}: give sqlite:///PATH"));
                }
                // Parameters are for Python's driver. SQLAlchemy does not encode the path.
                let path = rest.split('?').next().unwrap_or(rest);
                Self::sqlite(path.strip_prefix('/').unwrap_or(path), "mode=rwc")
            }
            "postgresql" | "postgres" => Self::postgres(rest, Spelling::SqlAlchemy),
            _ => Err(format!("{}: it is neither sqlite nor postgresql", hidden(text))),
        }
    }

    fn postgres(rest: &str, spelling: Spelling) -> Result<Self, String> {
        let parts = Parts::read(rest, spelling).map_err(|reason| format!("postgres://***: {reason}"))?;
        Ok(Self { opened: parts.address(), shown: parts.shown(), ignored: parts.ignored })
    }

    /// Returns the URL of a file by its path.
    fn sqlite(path: &str, parameters: &str) -> Result<Self, String> {
        let refuse = |reason: &str| Err(format!("sqlite:***: {reason}"));
        if path.is_empty() {
            return refuse("the path of the SQLite file is missing");
        }
        if path == ":memory:" || parameters.contains("mode=memory") {
            return refuse("a database in memory would be lost at the end: give the path of a file");
        }
        if path.contains('\0') {
            return refuse("a path does not hold U+0000");
        }
        for (key, value) in form_urlencoded::parse(parameters.as_bytes()) {
            let takes: &[&str] = match &*key {
                "mode" => &["ro", "rw", "rwc"],
                "cache" => &["private", "shared"],
                "immutable" => &["true", "false", "1", "0"],
                "vfs" => continue,
                _ => {
                    return refuse(
                        "the parameters after the '?' are mode, cache, immutable and vfs; in a path, '?' is written %3F",
                    );
                }
            };
            if !takes.contains(&&*value) {
                return refuse(&format!("{key} is none of {}", takes.join(", ")));
            }
        }
        let shown = whole(path);
        // The drivers would strip all leading slashes.
        let slashes = path.len() - path.trim_start_matches('/').len();
        let path = &path[slashes.saturating_sub(1)..];
        let mark = if parameters.is_empty() { "" } else { "?" };
        let opened = format!("sqlite://{}{mark}{parameters}", utf8_percent_encode(path, PATH));
        Ok(Self { opened, shown, ignored: Vec::new() })
    }
}

impl Default for DatabaseUrl {
    fn default() -> Self {
        let (path, parameters) = ("metrograph.db", "mode=rwc");
        Self { opened: format!("sqlite://{path}?{parameters}"), shown: whole(path), ignored: Vec::new() }
    }
}

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Some(rest) = text.strip_prefix("sqlite:") {
            let (path, parameters) = rest.split_once('?').unwrap_or((rest, ""));
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.split('/').next().is_some_and(|first| first.contains('@')) {
                return Err(format!("{NO_LOGIN}; in a path, '@' is written %40"));
            }
            let path = percent_decode_str(path).decode_utf8();
            let path = path.map_err(|_| "sqlite:***: what is percent-encoded in the path is not UTF-8")?;
            return Self::sqlite(&path, parameters);
        }
        match text.split_once("://") {
            Some((scheme, rest)) if ["postgres", "postgresql"].contains(&&*dialect(scheme)) => {
                Self::postgres(rest, Spelling::Uri)
            }
            _ => Err(format!("{}: {GIVE}", hidden(text))),
        }
    }
}

/// Returns a word as a shell reads it.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |sign: char| sign.is_ascii_alphanumeric() || "._-/:@%+,*".contains(sign);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Removes the driver that SQLAlchemy appends to the scheme after a `+`.
fn dialect(scheme: &str) -> String {
    scheme.split('+').next().unwrap_or(scheme).to_ascii_lowercase()
}

/// Returns the part of an unsupported URL that messages may quote.
fn hidden(text: &str) -> String {
    let scheme = text.split_once("://").map(|(scheme, _)| dialect(scheme));
    let quotable = scheme.filter(|scheme| OTHER_SCHEMES.contains(&&**scheme));
    quotable.map_or_else(|| "***".to_owned(), |scheme| format!("{scheme}://***"))
}

/// Returns an absolute path for messages.
fn whole(path: &str) -> String {
    match redacted_path(Path::new(path)) {
        shown if shown == path => std::path::absolute(path).map_or(shown, |whole| whole.display().to_string()),
        hidden => hidden,
    }
}
