//! Which command has which setting, in its help and in what it accepts.

use std::{collections::BTreeSet, path::Path};

use crate::support::program::{Server, files, run};

const ANYWHERE: (&str, &str) = ("METROGRAPH_LISTEN", "127.0.0.1:0");

fn help(command: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let ended = run(folder.path(), &[command, &["--help"]].concat(), &[]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{command:?}");
    ended.stdout
}

/// Returns the flags that a help text lists.
fn flags(command: &[&str]) -> BTreeSet<String> {
    let help = help(command);
    let listed = help
        .lines()
        .filter_map(|line| line.trim_start().trim_start_matches("-h, ").trim_start_matches("-V, ").strip_prefix("--"));
    listed.map(|line| format!("--{}", line.split([' ', '[']).next().unwrap())).collect()
}

fn set(flags: &[&str]) -> BTreeSet<String> {
    flags.iter().map(|flag| (*flag).to_owned()).collect()
}

#[test]
fn each_command_lists_only_its_own_settings() {
    assert_eq!(flags(&["schema"]), set(&["--help"]));
    assert_eq!(flags(&["openapi"]), set(&["--help", "--api", "--version"]));
    let way = ["--help", "--database-url", "--database-direct-url", "--read-only"];
    for command in [&["token"][..], &["token", "list"], &["token", "revoke"]] {
        assert_eq!(flags(command), set(&way), "{command:?}");
    }
    let create = [&way[..], &["--name", "--scope", "--expires", "--create-database"]].concat();
    assert_eq!(flags(&["token", "create"]), set(&create));
    assert_eq!(flags(&["delete"]), set(&[&way[..], &["--session", "--run", "--where", "--dry-run"]].concat()));
    assert_eq!(flags(&["export"]), set(&[&way[..], &["--format", "--output"]].concat()));
    let import = ["--dry-run", "--branch-tag", "--database-connections", "--keep-rows"];
    assert_eq!(flags(&["import"]), set(&[&way[..], &import].concat()));
    assert_eq!(flags(&["push"]), set(&["--help", "--to", "--token", "--tag", "--retry", "--strict"]));
    assert_eq!(flags(&["check"]), set(&[&way[..], &["--repair"]].concat()));
    for command in ["backup", "restore"] {
        assert_eq!(flags(&[command]), set(&way), "{command}");
    }
    let (mut program, serve) = (flags(&[]), flags(&["serve"]));
    assert!(program.remove("--version") && program.len() > 30);
    assert_eq!(program, serve);
    for command in [&["help", "schema"][..], &["help", "token"], &["help", "serve"]] {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(run(folder.path(), command, &[]).stdout, help(&command[1..]), "{command:?}");
    }
}

#[test]
fn the_settings_of_the_server_are_grouped() {
    let help = help(&["serve"]);
    let headings: Vec<_> = help.lines().filter(|line| line.ends_with(':') && !line.starts_with(' ')).collect();
    for heading in
        ["Server:", "Database:", "Access:", "TLS:", "Limits of HTTP:", "Limits of GraphQL requests:", "Live data:"]
    {
        assert!(headings.contains(&heading), "{heading}: {headings:?}");
    }
    let options = help.split_once("Options:\n").unwrap().1.split_once("\n\n").unwrap().0;
    assert_eq!(options.lines().count(), 1, "nothing is left without a heading: {options}");
    let text = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for said in ["[env: METROGRAPH_LISTEN] [default: 127.0.0.1:8181]", "[env: METROGRAPH_MAX_BODY] [default: 16MiB]"] {
        assert!(text.contains(said), "{said}: {text}");
    }
}

/// The rows of the tables of settings: flags, variables, default.
fn documented() -> Vec<[Vec<String>; 3]> {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/settings.md")).unwrap();
    let quoted = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    let rows = page.lines().filter(|line| line.starts_with("| `--"));
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').collect();
        [quoted(cells[1]), quoted(cells[2]), vec![cells[3].trim().trim_matches('`').to_owned()]]
    })
    .collect()
}

#[test]
fn the_table_of_settings_has_all_of_them() {
    let rows = documented();
    let mut flags = flags(&["serve"]);
    flags.remove("--help");
    let count = rows.iter().map(|[flags, ..]| flags.len()).sum::<usize>();
    assert_eq!((rows.iter().flat_map(|[flags, ..]| flags.clone()).collect(), count), (flags.clone(), flags.len()));
    let help = help(&["serve"]).split_whitespace().collect::<Vec<_>>().join(" ");
    for [flags, variables, default] in rows {
        let names = flags.iter().map(|flag| format!("METROGRAPH{}", flag[1..].replace('-', "_").to_ascii_uppercase()));
        assert_eq!(variables, names.collect::<Vec<_>>());
        for variable in variables {
            let (_, rest) = help.split_once(&format!("[env: {variable}]")).unwrap_or_else(|| panic!("{variable}"));
            if let Some(rest) = rest.strip_prefix(" [default: ") {
                assert_eq!(rest.split(']').next(), Some(default[0].as_str()), "{variable}");
            }
        }
    }
}

#[test]
fn a_setting_of_another_command_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, flag, command) in [
        (&["token", "list", "--page-size", "3"][..], "--page-size", "metrograph token list"),
        (&["token", "--listen=127.0.0.1:0", "list"], "--listen", "metrograph token"),
        (&["token", "create", "--name=a", "--scope=read", "--access", "closed"], "--access", "metrograph token create"),
        (&["schema", "--database-url", "sqlite://a.db"], "--database-url", "metrograph schema"),
        (&["openapi", "--log=info"], "--log", "metrograph openapi"),
        (&["token", "list", "--trusted-only"], "--trusted-only", "metrograph token list"),
    ] {
        run(folder.path(), arguments, &[ANYWHERE]).assert_refused(&[flag, command, "metrograph serve"]);
    }
    run(folder.path(), &["serve", "--name=a"], &[ANYWHERE]).assert_refused(&["--name", "metrograph serve"]);
    run(folder.path(), &["--expires=1d"], &[ANYWHERE]).assert_refused(&["--expires"]);
    assert!(files(folder.path()).is_empty());
}

#[test]
fn settings_before_the_command_and_of_variables_go_on_working() {
    let folder = tempfile::tempdir().unwrap();
    let at = "sqlite://a.db?mode=rwc";
    let create = |name| ["token", "create", name, "--scope=read", "--create-database"];
    let (first, second) = (create("--name=ci"), create("--name=more"));
    for arguments in
        [[&["--database-url", at][..], &first].concat(), [&second[..1], &["--database-url", at], &second[1..]].concat()]
    {
        let made = run(folder.path(), &arguments, &[]);
        assert_eq!((made.code, files(folder.path())), (Some(0), vec!["a.db".to_owned()]), "{made:?}");
    }
    let server = Server::start(
        folder.path(),
        &["--access=closed", "serve", "--access=read"],
        &[ANYWHERE, ("METROGRAPH_DATABASE_URL", at)],
    );
    assert_eq!(server.count(), 0, "what stands after the command wins");
    server.stop();
    for arguments in [
        &["--database-url", at, "token", "list"][..],
        &["token", "list", "--database-url", at],
        &["--access=closed", "token", "list"],
    ] {
        let listed = run(folder.path(), arguments, &[("METROGRAPH_DATABASE_URL", at)]);
        assert!(listed.code == Some(0) && listed.stdout.contains("\nci "), "{arguments:?}: {listed:?}");
    }
    assert_eq!(files(folder.path()), ["a.db"]);
}

#[test]
fn a_variable_of_another_command_is_not_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let broken =
        [("METROGRAPH_PAGE_SIZE", "many"), ("METROGRAPH_DATABASE_URL", "nowhere"), ("METROGRAPH_TLS_CERT", "a")];
    for command in ["schema", "openapi"] {
        let ended = run(folder.path(), &[command], &broken);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{command}");
    }
    run(folder.path(), &["token", "list"], &broken).assert_refused(&["METROGRAPH_DATABASE_URL"]);
    run(folder.path(), &["token", "list"], &[broken[0]]).assert_refused(&["there is no database"]);
    run(folder.path(), &[], &[broken[0]]).assert_refused(&["METROGRAPH_PAGE_SIZE"]);
    // A flag wins over a variable, whatever its value.
    let server = Server::start(folder.path(), &["--page-size=3"], &[ANYWHERE, broken[0]]);
    server.stop();
}
