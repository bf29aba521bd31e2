//! Why a PostgreSQL can't be used: its message, its address, and a remedy.

use sea_orm::{DbErr, RuntimeErr};
use sqlx::postgres::PgConnectOptions;

use crate::config::{redacted_name, redacted_path};

/// Bytes after which PostgreSQL truncates a name.
const MAX_NAME_LENGTH: usize = 63;

/// Builds the message, which contains no password.
pub(super) fn of(options: &PgConnectOptions, error: &DbErr) -> String {
    let (DbErr::Conn(RuntimeErr::SqlxError(error))
    | DbErr::Exec(RuntimeErr::SqlxError(error))
    | DbErr::Query(RuntimeErr::SqlxError(error))) = error
    else {
        return format!("PostgreSQL at {}: {error}", place(options));
    };
    let (message, remedy) = match &**error {
        sqlx::Error::Io(error) => (error.to_string(), "is it running there, and are host and port right?".to_owned()),
        sqlx::Error::PoolTimedOut => (
            "it does not answer".to_owned(),
            "are host and port right, and does a firewall or a pooler let this through?".to_owned(),
        ),
        sqlx::Error::Tls(error) => (error.to_string(), "see sslmode and sslrootcert of the address".to_owned()),
        sqlx::Error::Database(error) => {
            let remedy = remedy(options, error.code().as_deref().unwrap_or_default(), error.message());
            (without_names(options, error.message()), remedy)
        }
        error => (error.to_string(), String::new()),
    };
    let end = if remedy.is_empty() { remedy } else { format!(": {remedy}") };
    let hint = if name(options) == "***" { " (parameters of the address begin with '?')" } else { "" };
    format!("PostgreSQL at {}: {message}{end}{hint}", place(options))
}

fn remedy(options: &PgConnectOptions, code: &str, message: &str) -> String {
    let (user, name) = (redacted_name(options.get_username()), name(options));
    match code {
        "28000" if message.contains("no encryption") => {
            "it asks for TLS, or another host: add ?sslmode=require, or let pg_hba.conf take this connection".to_owned()
        }
        "28000" | "28P01" => "correct the user and the password".to_owned(),
        "3D000" => {
            format!("correct the name, or make it: CREATE DATABASE \"{name}\" ENCODING 'UTF8' TEMPLATE template0")
        }
        "42501" => format!(
            "let its owner grant this: GRANT USAGE, CREATE ON SCHEMA public TO \"{user}\", and SELECT, INSERT, UPDATE, DELETE ON ALL TABLES \
             in it; or serve what is there with --read-only"
        ),
        // A statement was prepared in another session.
        "26000" | "42P05" => {
            "a pooler in transaction mode gives each transaction another session: give --database-direct-url the address of \
             PostgreSQL itself"
                .to_owned()
        }
        "53300" => {
            "lower --database-connections, or raise max_connections or the CONNECTION LIMIT of the role".to_owned()
        }
        "57P03" => "try again in a moment".to_owned(),
        _ => String::new(),
    }
}

/// Its address, without secrets.
pub(super) fn place(options: &PgConnectOptions) -> String {
    let port = options.get_port();
    match options.get_socket() {
        Some(folder) => format!("{}/.s.PGSQL.{port}/{}", redacted_path(folder), name(options)),
        None => format!("{}:{port}/{}", options.get_host(), name(options)),
    }
}

fn name(options: &PgConnectOptions) -> &str {
    redacted_name(options.get_database().unwrap_or(options.get_username()))
}

/// The server's message without the names in it, which it repeats whole or truncated.
fn without_names(options: &PgConnectOptions, message: &str) -> String {
    let names = [options.get_database().unwrap_or_default(), options.get_username()];
    names.into_iter().filter(|name| redacted_name(name) != *name).fold(message.to_owned(), |message, name| {
        let cut = &name[..name.floor_char_boundary(MAX_NAME_LENGTH)];
        message.replace(name, "***").replace(cut, "***")
    })
}
