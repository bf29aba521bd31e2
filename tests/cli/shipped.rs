//! What the program is shipped with: its version and commit, completions for shells, manual pages.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use metrograph::version::{COMMIT, VERSION, VERSION_AND_COMMIT};
use serde_json::json;

use crate::support::program::{Server, ended, files, run};

const ANYWHERE: &[(&str, &str)] = &[("METROGRAPH_LISTEN", "127.0.0.1:0")];
const SECRET: (&str, &str) = ("METROGRAPH_DATABASE_URL", "postgres://ann:s3cret@db.example/metrograph");

fn printed(arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let ended = run(folder.path(), arguments, &[SECRET]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{arguments:?}");
    assert!(files(folder.path()).is_empty());
    assert!(!ended.stdout.contains("s3cret"), "{arguments:?}");
    ended.stdout
}

#[test]
fn version_and_commit_are_those_of_health() {
    assert_eq!(printed(&["--version"]), format!("metrograph {VERSION_AND_COMMIT}\n"));
    assert_eq!(printed(&["-V"]), format!("metrograph {VERSION_AND_COMMIT}\n"));
    let short = COMMIT.map(|commit| format!(" ({})", commit.get(..12).unwrap_or(commit)));
    assert_eq!(VERSION_AND_COMMIT, format!("{VERSION}{}", short.unwrap_or_default()));
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[], ANYWHERE);
    for path in ["/health", "/health/ready", "/health/live"] {
        assert_eq!(server.get(path), json!({ "status": "ok", "version": VERSION, "commit": COMMIT }), "{path}");
    }
    fs::remove_file(folder.path().join("metrograph.db")).unwrap();
    let (status, answer) = server.request("GET", "/health", &json!(null));
    assert_eq!((status, &answer["version"], &answer["commit"]), (503, &json!(VERSION), &json!(COMMIT)));
}

/// `build.rs` as a program, in a folder that holds nothing but what it asks for.
struct Build {
    program: PathBuf,
    folder: tempfile::TempDir,
}

impl Build {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("build-script");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("build.rs");
        let compiled = Command::new("rustc").args(["--edition", "2024", "-o"]).arg(&program).arg(source).output();
        let compiled = compiled.unwrap();
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        fs::create_dir(folder.path().join("sources")).unwrap();
        Self { program, folder }
    }

    fn sources(&self) -> PathBuf {
        self.folder.path().join("sources")
    }

    fn git(&self, folder: &Path, arguments: &[&str]) -> String {
        let mut git = Command::new("git");
        git.env_clear().env("PATH", env::var_os("PATH").unwrap()).env("HOME", self.folder.path()).current_dir(folder);
        git.args(["-c", "user.name=a", "-c", "user.email=a@b.example", "-c", "init.defaultBranch=main"]);
        let ended = ended(git.args(arguments));
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended.stdout.trim_end().to_owned()
    }

    /// What it prints for Cargo.
    fn run(&self, profile: &str, commit: Option<&str>) -> String {
        let mut program = Command::new(&self.program);
        program.env_clear().env("PATH", env::var_os("PATH").unwrap()).current_dir(self.sources());
        program.env("METROGRAPH_WITHOUT_WEB", "1").env("OUT_DIR", self.folder.path().join("out"));
        program.env("CARGO_PKG_VERSION", "1.2.3").env("PROFILE", profile);
        let ended = ended(program.envs(commit.map(|commit| ("METROGRAPH_COMMIT", commit))));
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended.stdout
    }
}

fn version_in(printed: &str) -> &str {
    printed.lines().find_map(|line| line.strip_prefix("cargo::rustc-env=METROGRAPH_BUILD_VERSION=")).unwrap()
}

#[test]
fn the_commit_of_a_release_is_that_of_its_sources() {
    let build = Build::new();
    assert_eq!(version_in(&build.run("release", None)), "1.2.3");
    assert_eq!(version_in(&build.run("release", Some(""))), "1.2.3");
    assert_eq!(version_in(&build.run("release", Some("0123456789abcdef"))), "1.2.3 (0123456789ab)");
    assert_eq!(version_in(&build.run("debug", Some("0123"))), "1.2.3 (0123)");
    let refused = build.run("release", Some("main\ncargo::rustc-env=A=b"));
    assert!(refused.contains("cargo::error=METROGRAPH_COMMIT") && version_in(&refused) == "1.2.3", "{refused}");

    // Sources within the checkout of something else.
    let outside = build.folder.path();
    build.git(outside, &["init", "--quiet"]);
    build.git(outside, &["commit", "--quiet", "--allow-empty", "--message", "Another project"]);
    assert_eq!(version_in(&build.run("release", None)), "1.2.3");

    let sources = build.sources();
    build.git(&sources, &["init", "--quiet"]);
    assert_eq!(version_in(&build.run("release", None)), "1.2.3", "without a commit");
    for message in ["one", "two"] {
        build.git(&sources, &["commit", "--quiet", "--allow-empty", "--message", message]);
        let head = build.git(&sources, &["rev-parse", "HEAD"]);
        let printed = build.run("release", None);
        assert_eq!(version_in(&printed), format!("1.2.3 ({})", &head[..12]), "{message}");
        assert!(printed.contains(&format!("cargo::rustc-env=METROGRAPH_BUILD_COMMIT={head}\n")), "{printed}");
        // What grows with the next commit is watched, and is there: Cargo runs it each time for what is not.
        assert!(printed.contains("cargo::rerun-if-changed=.git/logs/HEAD\n"), "{printed}");
        assert!(sources.join(".git/logs/HEAD").exists());
    }
    // Developers commit often, and nothing is compiled again for that.
    let printed = build.run("debug", None);
    assert!(version_in(&printed) == "1.2.3" && !printed.contains(".git"), "{printed}");
    assert_eq!(version_in(&build.run("release", Some("0123"))), "1.2.3 (0123)", "what was given wins");
}

#[test]
fn each_shell_gets_completions_of_every_flag() {
    let help = printed(&["serve", "--help"]);
    let flags: Vec<&str> = help
        .split_whitespace()
        .filter(|word| word.starts_with("--") && word.len() > 2)
        .filter(|w| w.is_ascii())
        .collect();
    assert!(flags.len() > 30);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = printed(&["completions", shell]);
        for flag in &flags {
            let name = flag.trim_start_matches('-').trim_end_matches(|sign: char| !sign.is_ascii_alphanumeric());
            assert!(script.contains(name), "{shell}: {flag}");
        }
        assert!(!script.contains("monitor-server"), "{shell}: names that are kept for old settings are not offered");
    }
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["completions", "csh"], &[]).assert_refused(&["csh", "bash", "zsh", "fish"]);
    run(folder.path(), &["completions"], &[]).assert_refused(&["SHELL"]);
}

/// What bash offers behind `words`, the last of which is being typed.
fn completed(words: &[&str]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("metrograph.bash");
    fs::write(&script, printed(&["completions", "bash"])).unwrap();
    let (typed, before) = (words[words.len() - 1], words[words.len() - 2]);
    let line = format!(
        "set -eu; source '{}'; COMP_WORDS=({}); COMP_CWORD={}; _metrograph metrograph '{typed}' '{before}'; \
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        script.display(),
        words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" "),
        words.len() - 1,
    );
    let ended = ended(Command::new("bash").args(["--norc", "-c", &line]).current_dir(folder.path()));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{words:?}");
    ended.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_flags_and_values() {
    let database = ["--database-url", "--database-direct-url", "--database-connections"];
    let mut offered = completed(&["metrograph", "--database"]);
    offered.sort_by_key(|flag| database.iter().position(|known| known == flag));
    assert_eq!(offered, database);
    assert_eq!(completed(&["metrograph", "comp"]), ["completions"]);
    assert_eq!(completed(&["metrograph", "--access", "c"]), ["closed"]);
    assert_eq!(completed(&["metrograph", "completions", "z"]), ["zsh"]);
    assert_eq!(completed(&["metrograph", "token", "c"]), ["create"]);
    assert_eq!(completed(&["metrograph", "token", "create", "--sc"]), ["--scope"]);
    assert_eq!(completed(&["metrograph", "token", "create", "--scope", "i"]), ["ingest"]);
    assert_eq!(completed(&["metrograph", "delete", "--d"]).len(), 3);
    assert_eq!(completed(&["metrograph", "delete", "--dr"]), ["--dry-run"]);
    assert_eq!(completed(&["metrograph", "check", "--rep"]), ["--repair"]);
    assert_eq!(completed(&["metrograph", "res"]), ["restore"]);
}

#[test]
fn the_manual_has_a_page_for_each_command() {
    let page = printed(&["man"]);
    assert!(page.contains(".TH metrograph 1"), "{page}");
    for heading in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "DATABASE", "EXIT STATUS", "VERSION"] {
        assert!(
            page.lines()
                .any(|line| line.trim_matches('"') == format!(".SH {heading}") || line == format!(".SH \"{heading}\"")),
            "{heading}: {page}"
        );
    }
    for said in ["METROGRAPH_DATABASE_URL", "metrograph\\-token(1)", "database\\-url"] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert!(!page.contains("monitor\\-server\\-"), "{page}");

    let folder = tempfile::tempdir().unwrap();
    let ended = run(folder.path(), &["man", "--output", "."], &[SECRET]);
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), "", ""));
    let pages = files(folder.path());
    let commands = [
        "",
        "-backup",
        "-check",
        "-completions",
        "-delete",
        "-export",
        "-import",
        "-man",
        "-openapi",
        "-push",
        "-restore",
        "-schema",
        "-serve",
        "-token",
    ]
    .map(str::to_owned);
    let inner = ["create", "list", "revoke"].map(|name| format!("-token-{name}"));
    let mut expected: Vec<_> = commands.iter().chain(&inner).map(|command| format!("metrograph{command}.1")).collect();
    expected.sort();
    assert_eq!(pages, expected);
    assert_eq!(fs::read_to_string(folder.path().join("metrograph.1")).unwrap(), page);
    for page in pages {
        let text = fs::read_to_string(folder.path().join(&page)).unwrap();
        assert!(text.contains(&format!(".TH {} 1", page.trim_end_matches(".1"))), "{page}: {text}");
        assert!(!text.contains("s3cret"), "{page}");
    }
    run(folder.path(), &["man", "--output", "gone"], &[]).assert_refused(&["--output", "no such folder"]);
}
