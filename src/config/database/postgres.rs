//! The URL of a PostgreSQL database, parsed and rebuilt, so that the driver gets nothing that could not be read. Errors
//! never quote the URL, any part of which may belong to a password.

use std::{net::IpAddr, path::Path};

use form_urlencoded::Serializer;
use percent_encoding::percent_decode_str;

use crate::config::redaction::{redacted_name, redacted_path};

/// The syntax of a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// A URI with percent-encoding.
    Uri,
    /// SQLAlchemy's syntax: a password may contain anything but `@`, the database name is never encoded, and parameters
    /// that PostgreSQL does not know are for Python's driver.
    SqlAlchemy,
}

/// The parts of a URL.
#[derive(Debug, Default)]
pub struct Parts {
    host: Option<String>,
    port: Option<u16>,
    user: Option<String>,
    password: Option<String>,
    database: Option<String>,
    /// Other parameters for the driver, by its own names.
    parameters: Vec<(String, String)>,
    /// Parameters of libpq that the driver does not support.
    pub ignored: Vec<&'static str>,
}

/// Parameters that libpq knows and sqlx does not, and that can be ignored without connecting to something else, or not
/// at all.
const IGNORED: &[&str] = &[
    "channel_binding",
    "client_encoding",
    "connect_timeout",
    "fallback_application_name",
    "gssdelegation",
    "gssencmode",
    "gsslib",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "krbsrvname",
    "load_balance_hosts",
    "max_protocol_version",
    "min_protocol_version",
    "replication",
    "require_auth",
    "requirepeer",
    "sslcertmode",
    "sslcompression",
    "sslcrl",
    "sslcrldir",
    "sslnegotiation",
    "sslsni",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "target_session_attrs",
    "tcp_user_timeout",
];
const MODES: &[&str] = &["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];
const NO_PORT: &str = "the port is not a number from 1 to 65535; in a password, ':' is written %3A and '@' %40";
const SEVERAL_HOSTS: &str = "it names several hosts or ports: give one";
const NO_HOST: &str = "the host is neither a name, nor an address (that of IPv6 stands in brackets), nor the folder of a socket; \
     in a password, '@' is written %40, '/' %2F, '#' %23 and '?' %3F";

impl Parts {
    /// Parses what follows `postgres://`.
    pub(crate) fn read(text: &str, spelling: Spelling) -> Result<Self, String> {
        if text.contains(char::is_control) {
            return Err("there is a line break or another control character in it".to_owned());
        }
        let (login, rest) = match spelling {
            Spelling::Uri => uri(text)?,
            Spelling::SqlAlchemy => sqlalchemy(text),
        };
        let mut parts = Self::default();
        if let Some(login) = login {
            let (user, password) =
                login.split_once(':').map_or((login, None), |(user, password)| (user, Some(password)));
            parts.user = Some(decoded(user)?).filter(|user| !user.is_empty());
            parts.password = password.map(decoded).transpose()?;
        }
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (server, database) = place.split_once('/').unwrap_or((place, ""));
        parts.server(server)?;
        let database = match spelling {
            Spelling::Uri => decoded(database.trim_start_matches('/'))?,
            Spelling::SqlAlchemy => database.to_owned(),
        };
        parts.database = Some(database).filter(|database| !database.is_empty());
        if form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == "host").count() > 1 {
            return Err(SEVERAL_HOSTS.to_owned());
        }
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            parts.parameter(&key, value.into_owned(), spelling)?;
        }
        Ok(parts)
    }

    /// Parses host and port, between the login and the path.
    fn server(&mut self, text: &str) -> Result<(), String> {
        if text.contains(',') {
            return Err(SEVERAL_HOSTS.to_owned());
        }
        if text.starts_with('[') && !text.contains(']') {
            return Err(NO_HOST.to_owned());
        }
        let bracket = text.find(']').map_or(0, |end| end + 1);
        let (host, port) = match text[bracket..].find(':') {
            Some(colon) => (&text[..bracket + colon], &text[bracket + colon + 1..]),
            None => (text, ""),
        };
        self.port = (!port.is_empty()).then(|| read_port(port)).transpose()?;
        if !host.is_empty() {
            self.host = Some(read_host(&decoded(host)?)?);
        }
        Ok(())
    }

    fn parameter(&mut self, key: &str, value: String, spelling: Spelling) -> Result<(), String> {
        if value.contains('\0') || value.contains(char::REPLACEMENT_CHARACTER) {
            return Err("a parameter after the '?' holds U+0000, or is not UTF-8".to_owned());
        }
        match key {
            "host" | "hostaddr" if value.contains(',') => return Err(SEVERAL_HOSTS.to_owned()),
            "host" => {
                // SQLAlchemy's `host=NAME:PORT`. Folders may contain a colon, and IPv6 addresses do.
                let is_whole = value.starts_with('/') || value.parse::<IpAddr>().is_ok();
                let (host, port) = value.rsplit_once(':').filter(|_| !is_whole).unwrap_or((&value, ""));
                self.host = Some(read_host(host)?);
                if !port.is_empty() {
                    self.port = Some(read_port(port)?);
                }
            }
            "hostaddr" => match value.parse::<IpAddr>() {
                Ok(address) => self.host = Some(address.to_string()),
                Err(_) => return Err("hostaddr is no address of a computer".to_owned()),
            },
            "port" => self.port = Some(read_port(&value)?),
            "user" => self.user = Some(value),
            "password" => self.password = Some(value),
            "dbname" => self.database = Some(value),
            // pg8000's name for the file of the socket.
            "unix_sock" if spelling == Spelling::SqlAlchemy => {
                let (folder, port) =
                    value.rsplit_once("/.s.PGSQL.").ok_or("unix_sock does not end in /.s.PGSQL.PORT")?;
                (self.host, self.port) = (Some(read_host(folder)?), Some(read_port(port)?));
            }
            "sslmode" | "ssl-mode" if !MODES.contains(&value.to_ascii_lowercase().as_str()) => {
                return Err(format!("sslmode is none of {}", MODES.join(", ")));
            }
            "statement-cache-capacity" if value.parse::<usize>().is_err() => {
                return Err(format!("{key} is not a number"));
            }
            "sslmode"
            | "ssl-mode"
            | "sslrootcert"
            | "ssl-root-cert"
            | "ssl-ca"
            | "sslcert"
            | "ssl-cert"
            | "sslkey"
            | "ssl-key"
            | "statement-cache-capacity"
            | "application_name"
            | "options" => {
                self.parameters.push((key.to_owned(), value));
            }
            _ if key.starts_with("options[") && key.ends_with(']') => self.parameters.push((key.to_owned(), value)),
            "sslpassword" => {
                return Err("sslpassword is not supported: give sslkey a key without a passphrase".to_owned());
            }
            "service" | "servicefile" | "passfile" => {
                return Err(
                    "service, servicefile and passfile are not supported: give host, user and password here".to_owned()
                );
            }
            _ => match IGNORED.iter().find(|ignored| **ignored == key) {
                Some(ignored) => self.ignored.push(ignored),
                None if spelling == Spelling::SqlAlchemy => {}
                None => {
                    return Err("PostgreSQL does not know a parameter after the '?'; in a password, '?' is \
                                written %3F and '&' %26"
                        .to_owned());
                }
            },
        }
        Ok(())
    }

    /// Returns the URL for the driver, secrets included.
    pub(crate) fn address(&self) -> String {
        let mut query = Serializer::new(String::new());
        let port = self.port.map(|port| port.to_string());
        let named = [
            ("host", &self.host),
            ("port", &port),
            ("user", &self.user),
            ("password", &self.password),
            ("dbname", &self.database),
        ];
        for (key, value) in named {
            if let Some(value) = value {
                query.append_pair(key, value);
            }
        }
        query.extend_pairs(&self.parameters);
        format!("postgres://?{}", query.finish())
    }

    /// Returns the database for messages, without login and parameters.
    pub(crate) fn shown(&self) -> String {
        let host = self.host.as_deref().unwrap_or_default();
        let port = self.port.map_or_else(String::new, |port| format!(":{port}"));
        let database = self.database.as_deref().map_or("", redacted_name);
        if host.starts_with('/') {
            format!("postgres://***@{port}/{database}?host={}", redacted_path(Path::new(host)))
        } else if host.contains(':') {
            format!("postgres://***@[{host}]{port}/{database}")
        } else {
            format!("postgres://***@{host}{port}/{database}")
        }
    }
}

/// Splits a URI into the login and what follows it.
fn uri(text: &str) -> Result<(Option<&str>, &str), String> {
    let misplaced = |sign: char, code: &str| {
        format!("there is a '{sign}' where none belongs: in a user name or a password, '{sign}' is written {code}")
    };
    if text.contains('#') {
        return Err(misplaced('#', "%23"));
    }
    let (place, query) = text.split_once('?').unwrap_or((text, ""));
    let (authority, path) = place.split_once('/').unwrap_or((place, ""));
    if path.contains('@') {
        return Err(misplaced('/', "%2F") + "; '@' in the name of a database is written %40");
    }
    match authority.rsplit_once('@') {
        Some((login, server)) => Ok((Some(login), &text[authority.len() - server.len()..])),
        // The value of a parameter may contain an '@', its name does not.
        None if query.split('&').any(|pair| pair.split('=').next().is_some_and(|key| key.contains('@'))) => {
            Err(misplaced('?', "%3F"))
        }
        None => Ok((None, text)),
    }
}

/// The same in SQLAlchemy's syntax: a user name ends at `:` or `/`, a password at the `@` before the host.
fn sqlalchemy(text: &str) -> (Option<&str>, &str) {
    let end = match text.find([':', '/', '@']) {
        Some(colon) if text[colon..].starts_with(':') => text[colon..].find('@').map(|at| colon + at),
        Some(at) if text[at..].starts_with('@') => Some(at),
        _ => None,
    };
    let Some(mut end) = end else { return (None, text) };
    // Older versions also accept an '@' within the password.
    let server = text[end + 1..].split(['/', '?']).next().unwrap_or_default();
    end += server.rfind('@').map_or(0, |at| at + 1);
    (Some(&text[..end]), &text[end + 1..])
}

fn decoded(text: &str) -> Result<String, String> {
    let decoded = percent_decode_str(text).decode_utf8().ok().filter(|text| !text.contains('\0'));
    decoded.map(String::from).ok_or_else(|| {
        "what is percent-encoded in it is not UTF-8, or is U+0000; a '%' that stands for itself is written %25"
            .to_owned()
    })
}

fn read_port(text: &str) -> Result<u16, String> {
    let is_number = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|port| is_number && *port > 0).ok_or_else(|| NO_PORT.to_owned())
}

/// A host name, an IP address, or the folder of a socket.
fn read_host(text: &str) -> Result<String, String> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let is_name = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    let is_host = match text {
        "" => {
            return Err(
                "the host is empty: leave it out, or give a name, an address or the folder of a socket".to_owned()
            );
        }
        _ if text.starts_with('/') => true,
        _ => bare.parse::<IpAddr>().is_ok() || is_name(text),
    };
    if is_host { Ok(bare.to_owned()) } else { Err(NO_HOST.to_owned()) }
}
