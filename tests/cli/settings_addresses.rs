//! Addresses of PostgreSQL as written by RFC 3986, libpq and SQLAlchemy.

use std::{path::Path, str::FromStr as _};

use metrograph::config::{self, DatabaseUrl};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use sqlx::postgres::PgConnectOptions;

use crate::support::{
    PostgresDatabase,
    program::{Server, files, run},
};

const ANYWHERE: (&str, &str) = ("METROGRAPH_LISTEN", "127.0.0.1:0");

/// What the driver gets: host or folder, port, user and database.
fn read(url: &DatabaseUrl) -> (String, u16, String, Option<String>) {
    let options = PgConnectOptions::from_str(url.as_str()).unwrap();
    let host =
        options.get_socket().map_or_else(|| options.get_host().to_owned(), |folder| folder.display().to_string());
    (host, options.get_port(), options.get_username().to_owned(), options.get_database().map(str::to_owned))
}

fn password(url: &DatabaseUrl) -> Option<String> {
    let query = url.as_str().split_once('?').unwrap().1;
    form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "password").map(|(_, value)| value.into_owned())
}

/// Spells an address as in the legacy variable.
fn old(text: &str) -> DatabaseUrl {
    let flag = format!("--monitor-server-database-uri={text}");
    config::from(["metrograph", &flag]).unwrap().1.database_url
}

#[test]
fn every_part_of_an_address_is_found() {
    let socket = |port, user: &str| ("/run/pg".to_owned(), port, user.to_owned(), Some("m".to_owned()));
    let remote = |host: &str, port| (host.to_owned(), port, "u".to_owned(), Some("m".to_owned()));
    for (address, expected) in [
        ("postgres://u:p@db.example/m", remote("db.example", 5432)),
        ("postgresql://u:p@db.example:5433/m", remote("db.example", 5433)),
        ("postgresql+psycopg2://u:p@db.example/m", remote("db.example", 5432)),
        ("postgres://u:p@127.0.0.1/m?port=5433", remote("127.0.0.1", 5433)),
        ("postgres://u:p@[::1]:5433/m", remote("::1", 5433)),
        ("postgres://u:p@/m?host=::1", remote("::1", 5432)),
        ("postgres://u:p@/m?host=db.example:5433", remote("db.example", 5433)),
        ("postgres://u:p@h/m?hostaddr=127.0.0.1", remote("127.0.0.1", 5432)),
        ("postgres://u:p@/m?host=/run/pg", socket(5432, "u")),
        ("postgres://u:p@:5433/m?host=/run/pg", socket(5433, "u")),
        ("postgres://u:p@/m?host=%2Frun%2Fpg&port=5433", socket(5433, "u")),
        ("postgres://u:p@%2Frun%2Fpg:5433/m", socket(5433, "u")),
        ("postgresql+asyncpg://u:p@/m?host=/run/pg", socket(5432, "u")),
        ("postgres://localhost/m?host=/run/pg&user=u&password=p", socket(5432, "u")),
        ("postgres://a:b@c/d?host=/run/pg&user=u&password=p&dbname=m", socket(5432, "u")),
        ("postgres://us%40er:p@/m?host=/run/pg", socket(5432, "us@er")),
        (" postgres://u:p@db.example/m\n", remote("db.example", 5432)),
        (
            "postgres://u:p@db.example/m?connect_timeout=10&channel_binding=require&sslmode=prefer",
            remote("db.example", 5432),
        ),
    ] {
        let url = DatabaseUrl::from_str(address).unwrap_or_else(|reason| panic!("{address}: {reason}"));
        assert_eq!(read(&url), expected, "{address}");
        assert_eq!(password(&url).as_deref(), Some("p"), "{address}");
        assert_eq!(read(&old(address)), expected, "{address}");
    }
    assert_eq!(
        DatabaseUrl::from_str("postgres://h/m?connect_timeout=1&sslsni=1").unwrap().ignored(),
        ["connect_timeout", "sslsni"]
    );
}

#[test]
fn sqlalchemy_takes_a_password_as_it_is() {
    for (address, user, secret, database) in [
        ("postgresql://u:s3#cret@db.example/m", "u", Some("s3#cret"), "m"),
        ("postgresql://u:a/b?c:d@db.example:5432/m?sslmode=disable", "u", Some("a/b?c:d"), "m"),
        ("postgresql://u:p%40ss@db.example/m", "u", Some("p@ss"), "m"),
        ("postgresql://u:p@ss@db.example/m", "u", Some("p@ss"), "m"),
        ("postgresql://u%2Fv@db.example/50%25?application_name=a@b", "u/v", None, "50%25"),
        ("postgresql+psycopg2://u:p@db.example/m?executemany_mode=values", "u", Some("p"), "m"),
    ] {
        let url = old(address);
        assert_eq!(
            read(&url),
            ("db.example".to_owned(), 5432, user.to_owned(), Some(database.to_owned())),
            "{address}"
        );
        assert_eq!(password(&url).as_deref(), secret, "{address}");
    }
    let url = old("postgresql+pg8000://u:p@/m?unix_sock=/run/pg/.s.PGSQL.5433");
    assert_eq!(read(&url), ("/run/pg".to_owned(), 5433, "u".to_owned(), Some("m".to_owned())));
}

proptest! {
    #[test]
    fn whatever_is_percent_encoded_arrives(user in "[^\0\\p{Cc}]{1,12}", secret in "[^\0]{0,12}", name in "[^\0\\p{Cc}]{1,12}") {
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let address = format!("postgres://{}:{}@db.example/{}", encoded(&user), encoded(&secret), encoded(&name));
        let url = DatabaseUrl::from_str(&address).unwrap();
        prop_assert_eq!(read(&url), ("db.example".to_owned(), 5432, user, Some(name)));
        prop_assert_eq!(password(&url), Some(secret));
    }

    #[test]
    fn an_address_is_understood_or_refused_without_a_word_of_it(
        before in "[a-z0-9:/?#@%&=, ]{0,8}", after in "[a-z0-9:/?#@%&=,\\[\\] ]{0,12}", scheme in "postgres://|postgresql://u:|sqlite://|",
    ) {
        let address = format!("{scheme}{before}Kr4ken{after}");
        match DatabaseUrl::from_str(&address) {
            Ok(url) => {
                prop_assert!(url.sqlite_file().is_some() || PgConnectOptions::from_str(url.as_str()).is_ok(), "{}", address);
                prop_assert!(sea_orm::DbBackend::Sqlite.is_prefix_of(url.as_str()) == url.sqlite_file().is_some());
            }
            Err(reason) => prop_assert!(!reason.to_ascii_lowercase().contains("kr4ken"), "{}", reason),
        }
    }
}

/// Records a metric on the database that these settings name.
fn record(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> u64 {
    let server = Server::start(folder, arguments, &[&[ANYWHERE], variables].concat());
    server.record("test_kept");
    let count = server.count();
    server.stop();
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_is_opened_in_every_spelling_of_it() {
    let Some(database) = PostgresDatabase::create().await else { return };
    let url = database.url();
    // A server given by `METROGRAPH_TEST_POSTGRES_URL` may have no socket.
    let Some((name, folder)) = url.rsplit_once('/').and_then(|_| {
        let (before, folder) = url.split_once("?host=")?;
        Some((before.rsplit_once('/')?.1, folder))
    }) else {
        return database.remove().await;
    };
    let encoded = utf8_percent_encode(folder, NON_ALPHANUMERIC).to_string();
    let spellings = [
        format!("postgresql://postgres:p@/{name}?host={folder}"),
        format!("postgresql+psycopg2://postgres:p@/{name}?host={folder}&port=5432"),
        format!("postgresql+asyncpg://postgres@/{name}?host={encoded}"),
        format!("postgresql://postgres:p@%2F{}/{name}", &encoded[3..]),
        format!("postgres://postgres:p@:5432/{name}?host={folder}&connect_timeout=10"),
    ];
    let at = tempfile::tempdir().unwrap();
    let mut stored = 0;
    for spelling in &spellings {
        for variables in [[("MONITOR_SERVER_DATABASE_URI", spelling.as_str())], [("METROGRAPH_DATABASE_URL", spelling)]]
        {
            stored += 1;
            assert_eq!(record(at.path(), &[], &variables), stored, "{variables:?}");
        }
        stored += 1;
        assert_eq!(record(at.path(), &["--database-url", spelling], &[]), stored, "{spelling}");
        let listed = run(at.path(), &["token", "list"], &[("MONITOR_SERVER_DATABASE_URI", spelling)]);
        assert_eq!(listed.code, Some(0), "{listed:?}");
    }
    let raw = format!("postgresql://postgres:a#b/c@/{name}?host={folder}");
    assert_eq!(record(at.path(), &[], &[("MONITOR_SERVER_DATABASE_URI", &raw)]), stored + 1);
    assert!(files(at.path()).is_empty());
    database.remove().await;
}
