//! A refused value is never repeated, since it may contain a secret.

use metrograph::config::{self, Stop};

use crate::support::{
    PostgresDatabase,
    program::{Ended, Server, files, run},
};

/// The parts of the password in `addresses`.
const SECRETS: [&str; 3] = ["kr4ken", "tail7", "%23tail"];
const COMMANDS: [&[&str]; 7] = [
    &[],
    &["serve"],
    &["schema"],
    &["openapi"],
    &["token", "list"],
    &["token", "create", "--name=ci", "--scope=read"],
    &["token", "revoke", "ci"],
];
/// Stops a start that would get this far.
const NO_CERTIFICATE: [&str; 2] = ["--tls-cert=missing.pem", "--tls-key=missing.pem"];

/// Malformed addresses with a password in them, each with a word of the refusal of `--database-url`.
fn addresses() -> Vec<(String, &'static str)> {
    let mut addresses: Vec<(String, &str)> = [
        ("postgres://u:Kr4ken#Tail7@h/m", "%23"),
        ("postgres://u:Kr4ken/Tail7@h/m", "%2F"),
        ("postgres://u:Kr4ken?Tail7@h/m", "%3F"),
        ("postgres://u:Kr4ken?a=b&Tail7@h/m", "%3F"),
        ("postgresql://Kr4ken#Tail7@h/m", "%23"),
        ("postgres://u:Kr4ken@Tail7/a@h/m", "%2F"),
        ("postgres://u:Kr4ken@h,i/m", "several hosts"),
        ("postgres://u:Kr4ken@h/m?host=i&host=j", "several hosts"),
        ("postgres://u:Kr4ken@h:5432,i:5432/m", "several hosts"),
        ("postgres://u:Kr4ken@h i/m", "the host"),
        ("postgres://u:Kr4ken@[::1/m", "the host"),
        ("postgres://u:Kr4ken@::1/m", "the port"),
        ("postgres://u:Kr4kenTail7", "the port"),
        ("postgres://u:Kr4ken%23Tail7@h:99999/m", "the port"),
        ("postgres://u:Kr4kenTail7@h:0/m", "the port"),
        ("postgres://u:Kr4kenTail7@h:port/m", "the port"),
        ("postgres://u:Kr4ken@/m?host=", "the host is empty"),
        ("postgres://u@h/m?password=Kr4ken#Tail7", "%23"),
        ("postgres://u@h/m?sslpassword=Kr4ken", "sslpassword"),
        ("postgres://u:Kr4ken@h/m?sslmode=Tail7", "sslmode"),
        ("postgres://u:Kr4ken@h/m?Tail7=a", "parameter"),
        ("postgres://u:Kr4ken@h/m?hostaddr=Tail7", "hostaddr"),
        ("postgres://u:Kr4ken%ff@h/m", "UTF-8"),
        ("postgres://u:Kr4ken%00Tail7@h/m", "U+0000"),
        ("postgres://u:Kr4ken\nTail7@h/m", "control character"),
        ("postgres:u:Kr4ken@h/m", "give sqlite://"),
        ("postgres:/u:Kr4ken@h/m", "give sqlite://"),
        ("u:Kr4ken@h/m", "give sqlite://"),
        ("Kr4ken", "give sqlite://"),
        ("Kr4ken://u:Tail7@h/m", "give sqlite://"),
        ("mysql+Kr4ken://u:Tail7@h/m", "mysql://***"),
        ("mysql://u:Kr4ken@h/m", "mysql://***"),
        ("https://u:Kr4ken@h/m", "https://***"),
        ("host=h user=u password=Kr4ken dbname=m", "give sqlite://"),
        ("sqlite://:Kr4ken@/nodir/m.db", "no user and no password"),
        ("sqlite://u:Kr4ken@h/m.db?mode=rwc", "%40"),
        ("sqlite:u:Kr4ken@h/m.db", "%40"),
        ("sqlite://u:Kr4ken@h/m?Tail7=a", "%40"),
        ("sqlite:///u/Kr4ken@h/m?Tail7=a", "%3F"),
        ("sqlite://a.db?mode=Kr4ken", "mode is none of"),
        ("sqlite://a.db?key=Kr4ken", "mode, cache, immutable"),
        ("sqlite:%ffKr4ken", "UTF-8"),
    ]
    .map(|(address, reason)| (address.to_owned(), reason))
    .into();
    addresses.push((format!("postgres://u:{}@h/{}?x=y", "Kr4ken".repeat(500), "Tail7"), "parameter"));
    addresses
}

fn assert_hidden(text: &str, given: &dyn std::fmt::Debug) {
    let lower = text.to_ascii_lowercase();
    let leaked: Vec<_> = SECRETS.into_iter().filter(|secret| lower.contains(secret)).collect();
    assert!(leaked.is_empty(), "{given:?}: {leaked:?} in {text}");
}

fn assert_no_secret(ended: &Ended, given: &dyn std::fmt::Debug) {
    assert_hidden(&ended.stdout, given);
    assert_hidden(&ended.stderr, given);
    assert!(!ended.stderr.contains("panicked") && ended.stderr.lines().count() <= 1, "{given:?}: {ended:?}");
}

/// Returns every flag of the server with its variable, as in the help, and the variables of monitor-server.
fn settings() -> Vec<(String, String)> {
    let folder = tempfile::tempdir().unwrap();
    let help = run(folder.path(), &["--help"], &[]).stdout;
    let lines = help.lines().filter_map(|line| line.trim_start().strip_prefix("--"));
    let flags = lines.map(|line| line.split([' ', '[']).next().unwrap());
    let variable = |flag: &str| format!("METROGRAPH_{}", flag.replace('-', "_").to_ascii_uppercase());
    let mut settings: Vec<_> = flags.map(|flag| (format!("--{flag}"), variable(flag))).collect();
    assert!(settings.len() > 30, "{help}");
    for old in ["MONITOR_SERVER_DATABASE_URI", "MONITOR_SERVER_PAGINATION_COUNT", "MONITOR_SERVER_CERTIFICATE"] {
        settings.push((format!("--{}", old.to_ascii_lowercase().replace('_', "-")), old.to_owned()));
    }
    settings
}

/// Returns the reason why a command line is refused; otherwise the log line about its database.
fn refusal(arguments: &[&str]) -> String {
    match config::from([&["metrograph"], arguments].concat()) {
        Err(Stop::Refused(reason)) => reason,
        Err(Stop::Answered(text)) => panic!("{text}"),
        Ok((_, settings)) => format!("{:?}", settings.database_url),
    }
}

#[test]
fn an_address_is_refused_without_being_repeated() {
    let folder = tempfile::tempdir().unwrap();
    for (address, reason) in addresses() {
        for command in [&[][..], &["serve"], &["token", "list"]] {
            let refused = refusal(&[command, &["--database-url", &address]].concat());
            assert!(refused.starts_with("--database-url: ") && refused.contains("***"), "{address}: {refused}");
            assert!(refused.contains(reason) && refused.lines().count() == 1, "{address}: {refused}");
            assert_hidden(&refused, &address);
            assert_eq!(refused, refusal(&[&["--database-url", &address], command].concat()), "before the command");
        }
    }
    let (address, _) = &addresses()[0];
    let flag = run(folder.path(), &["token", "list", "--database-url", address], &[]);
    flag.assert_refused(&["metrograph: --database-url: postgres://***", "%23"]);
    let variable = run(folder.path(), &[], &[("METROGRAPH_DATABASE_URL", address)]);
    variable.assert_refused(&["METROGRAPH_DATABASE_URL (--database-url): postgres://***", "%23"]);
    let old =
        run(folder.path(), &["token", "list"], &[("MONITOR_SERVER_DATABASE_URI", "postgresql://u:Kr4ken@h:Tail7/m")]);
    old.assert_refused(&["metrograph: MONITOR_SERVER_DATABASE_URI: postgres://***", "the port"]);
    for ended in [flag, variable, old] {
        assert_no_secret(&ended, &"a source that is named");
    }
    assert!(files(folder.path()).is_empty());
}

/// Names of databases that may contain a password after a mistyped separator, as in a URI.
const NAMES: [&str; 8] = [
    "m&password=Kr4ken",
    "m;password=Kr4ken",
    "m%20password=Kr4ken",
    "m%20Kr4ken",
    "m:Kr4ken",
    "m%23Kr4ken",
    "m/Kr4ken",
    "m%3Fpassword%3DKr4ken,with-more-than-postgresql-takes-in-the-name-of-a-database",
];

const SERVE: &[&str] = &["--listen=127.0.0.1:0"];
const LIST: &[&str] = &["token", "list"];

/// Runs commands with an address in each of these variables and returns what they print.
fn said_of(address: &str, variables: &[&str], commands: &[&[&str]]) -> Vec<Ended> {
    let folder = tempfile::tempdir().unwrap();
    let mut ends = Vec::new();
    for variable in variables {
        for command in commands {
            ends.push(run(folder.path(), command, &[(variable, address)]));
        }
    }
    assert!(files(folder.path()).is_empty());
    for ended in &ends {
        ended.assert_refused(&["***"]);
        assert_no_secret(ended, &address);
    }
    ends
}

#[test]
fn a_name_that_may_hold_a_password_is_not_printed() {
    for name in NAMES {
        let address = format!("postgresql://u:p@127.0.0.1:1/{name}");
        for ended in said_of(&address, &["METROGRAPH_DATABASE_URL", "MONITOR_SERVER_DATABASE_URI"], &[SERVE]) {
            ended.assert_refused(&["127.0.0.1:1/***", "parameters of the address begin with '?'"]);
        }
    }
    let old = &["MONITOR_SERVER_DATABASE_URI"];
    said_of("postgres://u:p@127.0.0.1:1/m#Kr4ken", old, &[SERVE, LIST]);
    said_of("postgres://u:p@/m?host=/nowhere;password=Kr4ken", old, &[SERVE, LIST]);
    for address in
        ["sqlite+pysqlcipher://:Kr4ken@/nodir/m.db", "sqlite://u:Kr4ken@h/m.db", "sqlite+pysqlcipher://:Kr4/ken?@/m.db"]
    {
        for ended in said_of(address, old, &[SERVE, LIST]) {
            ended.assert_refused(&["MONITOR_SERVER_DATABASE_URI: sqlite:***", "no user and no password"]);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    for address in ["sqlite://nodir/m.db;password=Kr4ken?mode=rwc", "sqlite://nodir/u:Tail7@h/m.db?mode=rwc"] {
        let ended = run(folder.path(), &[SERVE, &["--database-url", address]].concat(), &[]);
        ended.assert_refused(&["***: its folder does not exist"]);
        assert_no_secret(&ended, &address);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_repeats_a_name_is_not_repeated() {
    let Some(database) = PostgresDatabase::create().await else { return };
    for name in NAMES {
        let address = database.url().replace(database.name(), name);
        for ended in said_of(&address, &["METROGRAPH_DATABASE_URL"], &[SERVE, LIST]) {
            let given = "METROGRAPH_DATABASE_URL (--database-url): PostgreSQL at ";
            ended.assert_refused(&[
                given,
                "database \"***\" does not exist",
                "parameters of the address begin with '?'",
            ]);
        }
    }
    database.remove().await;
}

#[test]
fn no_flag_repeats_what_it_refuses() {
    for (flag, _) in settings() {
        // These would resolve the host over the network.
        let is_slow = flag == "--listen";
        for (address, _) in addresses().iter().filter(|(address, _)| !is_slow || !address.contains("Kr4ken:")) {
            for given in [vec![format!("{flag}={address}")], vec![flag.clone(), address.clone()]] {
                let given: Vec<&str> = given.iter().map(String::as_str).collect();
                assert_hidden(&refusal(&given), &given);
            }
        }
    }
}

#[test]
fn no_command_repeats_what_it_refuses() {
    let misplaced =
        ["--colour", "--database-ulr", "--version", "--name", "--scope", "--expires", "--create-database", "-x", "-h"];
    for (address, _) in addresses() {
        for command in COMMANDS {
            let mut lines: Vec<Vec<String>> = vec![vec![address.clone()], vec!["--".to_owned(), address.clone()]];
            lines.push(address.split_whitespace().map(str::to_owned).collect());
            lines.extend(
                ["--database-url", "--page-size"].map(|flag| vec![format!("{flag}={address}"), address.clone()]),
            );
            lines.extend(misplaced.map(|flag| vec![format!("{flag}={address}")]));
            lines.push(vec![format!("--{address}")]);
            lines.push(vec![format!("-{address}")]);
            for line in lines {
                let arguments: Vec<&str> = command.iter().copied().chain(line.iter().map(String::as_str)).collect();
                match config::from([&["metrograph"], &arguments[..]].concat()) {
                    Err(Stop::Refused(reason)) => assert_hidden(&reason, &arguments),
                    Err(Stop::Answered(text)) => assert_hidden(&text, &arguments),
                    // A valid value is used, for example as the name of a token or of a database.
                    Ok((_, settings)) => assert_hidden(&format!("{settings:?}"), &arguments),
                }
            }
        }
    }
}

#[test]
fn no_variable_is_repeated_by_any_command() {
    let folder = tempfile::tempdir().unwrap();
    let chosen = ["postgres://u:Kr4ken#Tail7@h:99999/m", "host=h password=Kr4ken,Tail7"];
    for (_, variable) in settings() {
        for address in chosen {
            for command in [&[][..], &["token", "list"], &["schema", "--help"]] {
                let end: &[&str] = if command.is_empty() { &NO_CERTIFICATE } else { &[] };
                let variables = [("METROGRAPH_LOG", "trace"), (variable.as_str(), address)];
                let ended = run(folder.path(), &[command, end].concat(), &variables);
                assert_no_secret_but_help(&ended, &(&variable, address, command));
            }
        }
    }
}

/// Help has many lines.
fn assert_no_secret_but_help(ended: &Ended, given: &dyn std::fmt::Debug) {
    assert_hidden(&ended.stdout, given);
    assert_no_secret(&Ended { code: ended.code, stdout: String::new(), stderr: ended.stderr.clone() }, given);
}

#[test]
fn what_is_not_utf_8_is_not_repeated() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};

    let folder = tempfile::tempdir().unwrap();
    let garbled = OsStr::from_bytes(b"postgres://u:Kr4ken\xff@h/m");
    for (flag, variable) in settings() {
        let mut command = crate::support::program::command(
            folder.path(),
            &NO_CERTIFICATE[usize::from(flag.starts_with("--tls"))..1],
            &[],
        );
        let by_variable = command.env(&variable, garbled).output().unwrap();
        let mut command = crate::support::program::command(folder.path(), &["token", "list"], &[]);
        let by_flag = command.arg(&flag).arg(garbled).output().unwrap();
        for output in [by_variable, by_flag] {
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{flag}: {said}");
            assert_hidden(&said, &flag);
        }
    }
    let by_flag =
        crate::support::program::command(folder.path(), &["--database-url"], &[]).arg(garbled).output().unwrap();
    assert_eq!(String::from_utf8(by_flag.stderr).unwrap(), "metrograph: --database-url: it is not UTF-8\n");
}

#[test]
fn help_shows_no_value_of_a_variable() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings();
    let variables: Vec<_> = settings.iter().map(|(_, variable)| (variable.as_str(), "Kr4ken")).collect();
    for command in COMMANDS {
        let help = run(folder.path(), &[&command[..command.len().min(2)], &["--help"]].concat(), &variables);
        assert_eq!(help.code, Some(0), "{help:?}");
        assert_no_secret_but_help(&help, &command);
    }
}

#[test]
fn a_token_in_place_of_its_name_is_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let token = |arguments: &[&str]| run(folder.path(), &[&["token"], arguments].concat(), &[]);
    let made = token(&["create", "--name=ci", "--scope=read", "--create-database"]).stdout;
    let made = made.trim_end();
    for pasted in [made, &made[3..], &made[..40]] {
        for arguments in
            [&["revoke", pasted][..], &["create", "--scope=read", "--name", pasted], &[pasted], &["list", pasted]]
        {
            let ended = token(arguments);
            assert_eq!(ended.code, Some(2), "{ended:?}");
            assert!(!ended.stderr.contains(&pasted[..20]), "{ended:?}");
        }
    }
}

/// Logs all that the driver and the ORM can log.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_used_is_in_no_log() {
    let Some(database) = PostgresDatabase::create().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let url = database.url();
    let separator = if url.contains('?') { '&' } else { '?' };
    let url = format!("{url}{separator}password=Kr4ken%23Tail7&channel_binding=prefer");
    // A password file whose first line is invalid.
    let passwords = folder.path().join("pgpass");
    std::fs::write(&passwords, "Kr4kenTail7\n").unwrap();
    std::fs::set_permissions(&passwords, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    for url in [&url, &database.url()] {
        let variables = [
            ("METROGRAPH_LISTEN", "127.0.0.1:0"),
            ("METROGRAPH_LOG", "trace"),
            ("PGPASSFILE", passwords.to_str().unwrap()),
        ];
        let server = Server::start(folder.path(), &["--database-url", url], &variables);
        server.record("test_kept");
        server.signal("TERM");
        let ended = server.ended();
        assert!(ended.stderr.contains("DEBUG"), "{ended:?}");
        assert_hidden(&ended.stderr, &"the log");
        assert_eq!(ended.stderr.contains("channel_binding is ignored"), url.contains("channel_binding"));
    }
    let listed = run(folder.path(), &["token", "create", "--name=ci", "--scope=read", "--database-url", &url], &[]);
    assert!(listed.code == Some(0) && listed.stderr.contains("postgres://***@"), "{listed:?}");
    assert_hidden(&listed.stderr, &"the note");
    database.remove().await;
}
