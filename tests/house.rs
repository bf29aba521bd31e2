//! The architecture test, read from the sources: which module may import which, and what no file may contain.

mod floors;
mod graph;
mod layers;
mod paths;
mod words;

use std::{collections::BTreeSet, path::Path};

use crate::support::sources::{Source, Token, paths, sources, tokens, without_tests};

const RUST: &[&str] = &["rs"];

/// Which module imports which, from the top down: an arrow leads to a later line, so there is no circle and none leads up. The
/// table is exact: a new arrow is added here, one that is no longer needed is removed.
const ARROWS: &[(&str, &[&str])] = &[
    ("main", &["commands"]),
    (
        "commands",
        &[
            "lib",
            "transfer",
            "rest",
            "graphql",
            "access",
            "ingest",
            "db",
            "entity",
            "error",
            "process",
            "telemetry",
            "config",
        ],
    ),
    ("lib", &["web", "rest", "graphql", "access", "ingest", "db", "telemetry", "config", "version"]),
    // Health is asked of what stores and of what it is stored in.
    ("web", &["rest", "graphql", "access", "ingest", "db", "http", "error", "telemetry", "config", "version"]),
    ("rest", &["graphql", "access", "http", "error"]),
    // Checks texts as the graph does.
    ("transfer", &["graphql", "ingest", "db", "entity", "error", "config"]),
    // What both of them know of HTTP, and what it makes of a failure.
    ("http", &["error"]),
    // The schema names the scopes.
    ("graphql", &["access", "ingest", "db", "entity", "error", "config"]),
    ("access", &["ingest", "db", "entity", "error", "config"]),
    ("ingest", &["db", "migration", "entity", "error"]),
    // Every setting is read and checked in one place: what database to open is one of them.
    ("db", &["migration", "entity", "config"]),
    ("migration", &[]),
    ("entity", &["analysis"]),
    ("analysis", &[]),
    ("error", &[]),
    ("process", &[]),
    ("telemetry", &[]),
    ("config", &["version"]),
    ("version", &[]),
];

/// The files that know what the engines are called, and why.
const ENGINES: &[(&str, &str)] = &[
    ("entity/src/dialect/mod.rs", "the few questions that the engines spell differently"),
    ("entity/src/dialect/postgres.rs", "what only PostgreSQL understands"),
    ("entity/src/dialect/sqlite.rs", "what only SQLite understands"),
    ("entity/src/driver/copy.rs", "a file that copies itself, and its lock"),
    ("entity/src/driver/error_kind.rs", "what the error codes of each mean"),
    ("entity/src/driver/executor.rs", "where the engines' connections meet the questions"),
    ("entity/src/driver/history.rs", "what each tells of who has written"),
    ("entity/src/driver/mod.rs", "the map names the modules of both"),
    ("entity/src/driver/row.rs", "a row of either driver"),
    ("entity/src/driver/rusqlite.rs", "SQLite without the ORM, measured to be worth it"),
    ("migration/src/m0001_base.rs", "types of columns, and indexes"),
    ("migration/src/m0002_listings.rs", "how a table is laid out"),
    ("migration/src/m0004_parts.rs", "an index of one alone"),
    ("migration/src/m0005_sessions_in_parts.rs", "what that index has besides"),
    ("migration/src/m0006_pipeline_variants.rs", "how a table is laid out"),
    ("migration/src/m0007_committers.rs", "a table of one alone"),
    ("migration/src/m0008_history.rs", "indexes and types of each"),
    ("migration/src/m0009_runs.rs", "indexes and literals of each"),
    ("migration/src/m0010_deletions.rs", "how the constraints of each are dropped"),
    ("migration/src/m0011_latest_runs.rs", "a lock of one alone"),
    ("src/commands/backup.rs", "what one makes here, and the other with programs of its own"),
    ("src/commands/restore.rs", "the same"),
    ("src/config/database/postgres.rs", "one of them, taken apart"),
    ("src/config/database.rs", "the spellings of a database's address"),
    ("src/config/storage.rs", "what is a setting of one alone"),
    ("src/db/copy.rs", "the file that is copied"),
    ("src/db/file.rs", "how a file is looked at and opened"),
    ("src/db/migrations.rs", "how the tables of each are found"),
    ("src/db/notification_listener.rs", "LISTEN and NOTIFY are PostgreSQL's"),
    ("src/db/open_error.rs", "what helps with either"),
    ("src/db/postgres.rs", "how connections to a server are opened and set"),
    ("src/db/reason.rs", "what a server says, and what helps"),
    ("src/db.rs", "how each is opened"),
    ("src/ingest/counters.rs", "what is cheaper where the database is a function call away"),
    ("src/transfer/source/file_tables.rs", "tables that others made in a file"),
    ("src/transfer/source/mod.rs", "what a source is"),
    ("src/transfer/source/server_tables.rs", "tables that others made on a server"),
];

/// The top module or crate that a file belongs to.
fn module(path: &str) -> &str {
    let (place, inside) = path.split_once("src/").unwrap();
    match place {
        "" => inside.split('/').next().unwrap().trim_end_matches(".rs"),
        other => other.trim_end_matches('/'),
    }
}

fn is_module(name: &str) -> bool {
    ARROWS.iter().any(|(module, _)| *module == name)
}

/// The module that a path of a file leads to; what is in no module is in `lib`.
fn target<'a>(from: &str, path: &'a [String]) -> Option<&'a str> {
    let first = path[0].as_str();
    let inner = match path.get(1) {
        Some(inner) => inner.as_str(),
        // A visibility.
        None if first == "crate" => return None,
        None => "lib",
    };
    match (from, first) {
        ("entity" | "migration" | "analysis", "crate") => Some(from).map(|_| "itself"),
        (_, "crate") | ("main", "metrograph") => Some(if is_module(inner) { inner } else { "lib" }),
        (_, "metrograph") => Some("lib"),
        (_, "entity" | "migration" | "analysis") => Some(first),
        ("lib", name) if path.len() > 1 && is_module(name) => Some(first),
        _ => None,
    }
}

fn house() -> Vec<Source> {
    sources(&["src", "entity/src", "migration/src", "analysis/src"], RUST)
}

fn inside(modules: &[&str]) -> Vec<Source> {
    house().into_iter().filter(|source| modules.contains(&module(&source.path))).collect()
}

fn assert_never_named(modules: &[&str], words: &[&str]) {
    for source in inside(modules) {
        let named: Vec<_> = source.words().filter(|word| words.contains(word)).collect();
        assert!(named.is_empty(), "{} names {named:?}", source.path);
    }
}

#[test]
fn arrows_lead_inwards_and_are_all_written_down() {
    let mut found = BTreeSet::new();
    for source in house() {
        let from = module(&source.path);
        assert!(is_module(from), "{}: a module that the table does not have", source.path);
        for path in source.paths() {
            if let Some(to) = target(from, &path).filter(|to| *to != from && *to != "itself") {
                found.insert(format!("{from} -> {to}"));
            }
        }
    }
    let expected = ARROWS.iter().flat_map(|(from, to)| to.iter().map(move |to| format!("{from} -> {to}"))).collect();
    let unwritten: Vec<_> = found.difference(&expected).collect();
    let unused: Vec<_> = expected.difference(&found).collect();
    assert!(unwritten.is_empty() && unused.is_empty(), "not allowed: {unwritten:?}; no longer there: {unused:?}");
}

#[test]
fn the_arrows_make_no_circle() {
    for (line, (from, arrows)) in ARROWS.iter().enumerate() {
        for to in *arrows {
            let later = ARROWS[line + 1..].iter().any(|(module, _)| module == to);
            assert!(later, "{from} -> {to} leads up");
        }
    }
}

/// So that every arrow between modules begins with `crate` or the name of a crate, where the table's test sees it.
#[test]
fn modules_do_not_reach_each_other_through_super() {
    for source in inside(&[
        "main",
        "commands",
        "lib",
        "web",
        "rest",
        "http",
        "graphql",
        "access",
        "ingest",
        "db",
        "error",
        "process",
        "telemetry",
        "config",
    ]) {
        let is_inside = source.path.matches('/').count() == 2 && !source.path.ends_with("/mod.rs");
        let deepest = usize::from(is_inside);
        let paths = paths(&without_tests(&source.tokens));
        for path in paths.into_iter().filter(|path| path.len() > 1) {
            let up = path.iter().take_while(|part| *part == "super").count();
            assert!(up <= deepest, "{}: {}: begin with crate", source.path, path.join("::"));
        }
    }
}

#[test]
fn graphql_and_ingest_never_name_http() {
    let words =
        ["axum", "axum_core", "http", "hyper", "tower", "tower_http", "async_graphql_axum", "StatusCode", "status"];
    assert_never_named(&["graphql", "ingest"], &words);
}

#[test]
fn rest_and_web_never_name_the_database() {
    assert_never_named(&["rest", "web", "http"], &["entity", "sea_orm", "sea_query", "sqlx"]);
}

#[test]
fn migrations_never_name_entities() {
    assert_never_named(&["migration"], &["entity"]);
}

#[test]
fn entities_never_name_graphql() {
    assert_never_named(&["entity"], &["async_graphql", "graphql"]);
}

#[test]
fn the_analysis_only_computes() {
    let words = ["async", "await", "fs", "io", "net", "thread", "tokio", "entity", "sea_orm", "async_graphql"];
    assert_never_named(&["analysis"], &words);
}

#[test]
fn only_settings_read_the_environment() {
    for source in house().into_iter().filter(|source| module(&source.path) != "config") {
        let reads = source.paths().iter().any(|path| path.starts_with(&["std".to_owned(), "env".to_owned()]));
        assert!(!reads, "{} reads the environment", source.path);
        let through_clap = [Token::Word("env".to_owned()), Token::Sign('=')];
        assert!(!source.tokens.windows(2).any(|two| two == through_clap), "{} has a setting", source.path);
    }
}

#[test]
fn engines_are_named_where_they_differ_and_nowhere_else() {
    let names_engine = |source: &Source| {
        let is_engine = |word: &str| {
            let word = word.to_ascii_lowercase();
            word.contains("sqlite")
                || word.contains("postgres")
                || word.contains("dbbackend")
                || word == "databasebackend"
        };
        let is_sql_of_one = |text: &str| {
            let signs = ["pg_", "PRAGMA", "json_each", "unnest", "LATERAL", "INSERT OR "];
            is_engine(text) || signs.iter().any(|sign| text.contains(sign))
        };
        source.words().any(is_engine) || source.texts().any(is_sql_of_one)
    };
    let found: Vec<_> = house().into_iter().filter(names_engine).map(|source| source.path).collect();
    let expected: Vec<_> = ENGINES.iter().map(|(path, _)| *path).collect();
    assert_eq!(found, expected);
}

/// One alone makes big lists two thirds slower; the one there is belongs to a schema that runs nothing.
#[test]
fn no_schema_that_runs_requests_has_an_extension() {
    let names_one = |source: &Source| source.words().any(|word| word == "ExtensionFactory");
    let found: Vec<_> = house().into_iter().filter(names_one).map(|source| source.path).collect();
    assert_eq!(found, ["src/graphql/request/cost.rs"]);
}

#[test]
fn every_file_can_be_read_in_one_go() {
    let places = ["build.rs", "src", "entity", "migration", "analysis", "tests", "web/src", "web/vite.config.ts"];
    let endings = ["rs", "ts", "tsx"];
    for source in sources(&places, &endings) {
        let lines = source.text.lines().count();
        assert!(lines <= 400, "{} has {lines} lines", source.path);
    }
}

#[test]
fn nothing_is_left_for_later() {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    let word = |text: &str| Token::Word(text.to_owned());
    let unfinished = [
        [word("todo"), Token::Sign('!')],
        [word("unimplemented"), Token::Sign('!')],
        [Token::Sign('['), word("ignore")],
    ];
    let places = ["build.rs", "src", "entity", "migration", "analysis", "tests", "web/src"];
    for source in sources(&places, &["rs", "ts", "tsx", "graphql", "mjs", "py", "toml"]) {
        for mark in marks {
            assert!(!source.text.contains(mark), "{}: {mark}", source.path);
        }
        let found = source.tokens.windows(2).find(|two| unfinished.iter().any(|tokens| tokens == two));
        assert_eq!(found, None, "{}", source.path);
    }
}

#[test]
fn every_test_that_the_table_of_threats_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = std::fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let tests = sources(&["tests"], RUST);
    let cells = table.lines().filter_map(|line| line.split('|').nth(3));
    let names: Vec<_> = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        // The end of a long name may be left out.
        let function = format!("fn {}", name.trim_end_matches('…'));
        let is_there = root.join("tests").join(name).exists() || tests.iter().any(|test| test.text.contains(&function));
        assert!(is_there, "{name}");
    }
}

/// The plugin does not work with every pytest, so every installation command has the upper bound.
#[test]
fn the_plugin_is_installed_in_the_same_words_everywhere() {
    const COMMAND: &str = "pip install pytest-monitor 'pytest<9.2'";
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let places =
        ["README.md", "CONTRIBUTING.md", "docs", "src", "schema.graphql", "web/index.html", "web/src", "web/examples"];
    for source in sources(&places, &["md", "html", "ts", "tsx", "rs", "graphql"]) {
        let text = source.text.replace("&lt;", "<");
        for line in text.lines().filter(|line| line.contains("install pytest")) {
            assert!(line.contains(COMMAND), "{}: {line}", source.path);
            found.push(source.path.clone());
        }
        // Any name would do; this one names the scope that is needed.
        for (before, _) in text.match_indices("TOKEN@").map(|(at, _)| text.split_at(at)) {
            assert!(
                before.ends_with("http://ingest:"),
                "{}: {}",
                source.path,
                before.lines().last().unwrap_or_default()
            );
        }
    }
    let pytest = "docs/pytest.md";
    assert_eq!(found, ["README.md", pytest, pytest, pytest, "src/web/plain.html", "web/index.html"]);
    // The clients in the checks keep to it.
    let pins = std::fs::read_to_string(root.join("tests/clients/requirements-plugin.txt")).unwrap();
    let pytest = pins.lines().find_map(|line| line.strip_prefix("pytest==")).unwrap();
    let version: Vec<u32> = pytest.split('.').map(|part| part.parse().unwrap()).collect();
    assert!(version < [9, 2].into(), "{pytest}");
}

/// The rules above stand on this reading.
#[test]
fn sources_are_read_as_rust_is() {
    let text = "use crate::{self, a::{b, c as d}, e}; /* crate::f /* */ crate::g */ // crate::h\n\
        fn x<'a>() { r#\"crate::i\"#; \"\\\"crate::j\"; '\"'; '\\''; crate::k::<crate::l::M>() }";
    let source = Source { path: String::new(), text: text.to_owned(), tokens: tokens(text) };
    let paths: Vec<_> = source.paths().iter().map(|path| path.join("::")).filter(|path| path.contains("::")).collect();
    assert_eq!(paths, ["crate::self", "crate::a::b", "crate::a::c", "crate::e", "crate::k", "crate::l::M"]);
    assert_eq!(source.texts().collect::<Vec<_>>(), ["crate::i", "\"crate::j"]);
}
