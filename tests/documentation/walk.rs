//! Does what the blocks of a page show, one after the other, in a folder with a server of its own.

use std::{env, fs, path::Path, process::Command};

use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    blocks::{Block, root},
    weeks,
};
use crate::support::{
    PostgresDatabase,
    builders::rest,
    program::{Server, ended, run},
};

/// Where the pages have the server.
const ADDRESS: &str = "http://127.0.0.1:8181";
const ANYWHERE: (&str, &str) = ("METROGRAPH_LISTEN", "127.0.0.1:0");

/// The shell's curl: it fails where the server refuses, and waits for one event of a stream while something is recorded.
const CURL: &str = r#"
set -euo pipefail
curl() {
  if [[ " $* " != *" -N "* ]]; then
    command curl -fsS --insecure "$@"
    echo
    return
  fi
  while sleep 0.2; do
    command curl -sS -o /dev/null "$SERVER/api/v1/metrics/" -H 'Content-Type: application/json' -d @metric.json
  done &
  local recorder=$!
  exec 3< <(exec curl -sS --max-time 60 "$@")
  local listener=$!
  grep -m 1 '^data: {' <&3 | cut -c 7-
  exec 3<&-
  kill "$recorder" "$listener"
}
"#;

/// A page that is being followed.
pub struct Walk {
    folder: TempDir,
    server: Option<Server>,
    scheme: &'static str,
    token: String,
    postgres: Option<PostgresDatabase>,
    /// What the block before gave, and its section.
    given: Option<(usize, Value)>,
}

impl Walk {
    /// Starts a server on the history that the pages speak of.
    pub async fn begin(page: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path(), &[], &[ANYWHERE]);
        seed(&server, page);
        let created = run(folder.path(), &["token", "create", "--name=page", "--scope=admin"], &[]);
        let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let metric = rest::metric(json!({ "component": "core.sort" }));
        for (name, text) in [
            ("fullchain.pem", certificate.cert.pem()),
            ("privkey.pem", certificate.signing_key.serialize_pem()),
            ("metric.json", metric.to_string()),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        if page == "docs/migrating.md" {
            for (name, sql) in [
                ("monitor.db", include_str!("../data/monitor_server.sql")),
                (".pymon", include_str!("../data/pymon.sql")),
            ] {
                let url = format!("sqlite://{}?mode=rwc", folder.path().join(name).display());
                let connection = sea_orm::Database::connect(url).await.unwrap();
                connection.execute_unprepared(sql).await.unwrap();
                connection.close().await.unwrap();
            }
        }
        let uses_postgres = super::text(page).contains("postgres://metrograph");
        let postgres = if uses_postgres { PostgresDatabase::create().await } else { None };
        let token = created.stdout.trim_end().to_owned();
        Self { folder, server: Some(server), scheme: "http", token, postgres, given: None }
    }

    /// Does what one block shows. `is_listed` tells which commands are left out.
    pub async fn step(&mut self, block: &Block, is_listed: impl Fn(&str) -> bool) {
        let given = self.given.take();
        if let Some(file) = &block.file {
            let path = self.folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            return fs::write(path, &block.text).unwrap();
        }
        let output = match block.language.as_str() {
            "sh" => self.shell(block, is_listed),
            "graphql" if block.text.trim_start().starts_with("subscription") => self.subscribe(block),
            "graphql" => Some(self.ask(block)),
            "json" => {
                let shown: Value =
                    serde_json::from_str(&block.text).unwrap_or_else(|e| panic!("{}: {e}", block.place()));
                if let Some((_, given)) = given.filter(|(section, _)| *section == block.section) {
                    let (shown, given) = match block.page.as_str() {
                        // Health names the build and what fails at the moment.
                        "docs/operating.md" => (shape(&shown), shape(&given)),
                        _ => (shown, given),
                    };
                    assert_eq!(shown, given, "{}", block.place());
                }
                None
            }
            language => panic!("{}: nothing here runs {language:?}: list it with a reason", block.place()),
        };
        self.given = output.map(|output| (block.section, output));
    }

    pub async fn end(mut self) {
        self.server.take().unwrap().stop();
        if let Some(postgres) = self.postgres {
            postgres.remove().await;
        }
    }

    /// Runs commands; one that serves takes the place of the server. Returns the first JSON that is printed.
    fn shell(&mut self, block: &Block, is_listed: impl Fn(&str) -> bool) -> Option<Value> {
        let (mut script, mut output) = (String::new(), String::new());
        for command in block.commands().iter().filter(|command| !is_listed(command)) {
            if is_serving(command) {
                output += &self.bash(block, &std::mem::take(&mut script));
                self.serve(command);
            } else if command.starts_with("metrograph restore ") {
                output += &self.bash(block, &std::mem::take(&mut script));
                // The page says so.
                self.server.take().unwrap().stop();
                run(self.folder.path(), &command.split(' ').skip(1).collect::<Vec<_>>(), &[]).assert_done();
                self.server = Some(Server::start(self.folder.path(), &[], &[ANYWHERE]));
            } else {
                script.extend([command, "\n"]);
            }
        }
        output += &self.bash(block, &script);
        first_json(block, &output)
    }

    fn bash(&self, block: &Block, script: &str) -> String {
        let programs = ["curl", "sqlite3", "systemd-socket-activate"].iter().filter(|name| script.contains(**name));
        if script.is_empty() || !programs.into_iter().all(|name| is_installed(name)) {
            return String::new();
        }
        let mut bash = Command::new("bash");
        bash.args(["-c", &format!("{CURL}{}", self.substituted(script))]).current_dir(self.folder.path());
        let bin = Path::new(env!("CARGO_BIN_EXE_metrograph")).parent().unwrap();
        let path = format!("{}:{}", bin.display(), env::var("PATH").unwrap());
        bash.env_clear().env("PATH", path).env("SERVER", self.url());
        let done = ended(&mut bash);
        assert_eq!(done.code, Some(0), "{}: {script}{done:?}", block.place());
        done.stdout
    }

    /// Starts the server that a command shows in place of the one before.
    fn serve(&mut self, command: &str) {
        let needs_postgres = command.contains("postgres://");
        if needs_postgres && self.postgres.is_none() {
            return;
        }
        let command = self.substituted(command).replace("0.0.0.0:8181", "127.0.0.1:0");
        let words = command.strip_prefix("metrograph").unwrap();
        let split = ended(Command::new("bash").args(["-c", &format!("printf '%s\\n' {words}")]));
        let postgres = self.postgres.as_ref().map(PostgresDatabase::url);
        let arguments = split.stdout.lines().filter(|word| !word.is_empty()).map(|word| match &postgres {
            Some(url) if word.starts_with("postgres://") => url.clone(),
            _ => word.to_owned(),
        });
        let arguments: Vec<_> = arguments.collect();
        self.server.take().unwrap().stop();
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        self.scheme = if arguments.contains(&"--tls-cert") { "https" } else { "http" };
        self.server = Some(Server::start(self.folder.path(), &arguments, &[ANYWHERE]));
    }

    /// The answer to a query or mutation, which must hold something.
    fn ask(&self, block: &Block) -> Value {
        let (status, answer) =
            self.server.as_ref().unwrap().request("POST", "/graphql", &json!({ "query": block.text }));
        let place = block.place();
        assert!(status == 200 && answer.get("errors").is_none(), "{place}: {answer:#}");
        for (field, value) in answer["data"].as_object().unwrap() {
            let objects = value.get("nodes").unwrap_or(value);
            assert!(!objects.is_null() && objects.as_array().is_none_or(|all| !all.is_empty()), "{place}: {field}");
            let refused = value.get("userErrors").and_then(Value::as_array);
            assert!(refused.is_none_or(Vec::is_empty), "{place}: {value}");
        }
        answer
    }

    /// The first event of a subscription.
    fn subscribe(&self, block: &Block) -> Option<Value> {
        fs::write(self.folder.path().join("subscription.json"), json!({ "query": block.text }).to_string()).unwrap();
        let listen = format!(
            "curl -N {ADDRESS}/graphql -H 'Content-Type: application/json' -H 'Accept: text/event-stream' -d @subscription.json"
        );
        first_json(block, &self.bash(block, &listen))
    }

    fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.server.as_ref().unwrap().address)
    }

    /// The text with what stands for a real address, folder or token.
    fn substituted(&self, text: &str) -> String {
        text.replace(ADDRESS, &self.url())
            .replace("/var/lib/metrograph", self.folder.path().to_str().unwrap())
            .replace("TOKEN", &self.token)
    }
}

/// Whether a command is the server, which runs until it is stopped.
fn is_serving(command: &str) -> bool {
    let mut words = command.split_whitespace();
    let is_setting = |word: &str| word.starts_with("--") && !["--help", "--version"].contains(&word);
    words.next() == Some("metrograph") && words.next().is_none_or(|word| word == "serve" || is_setting(word))
}

/// Where a program lacks, its blocks are left out, loudly; the checks have all of them.
fn is_installed(name: &str) -> bool {
    let is_there = env::split_paths(&env::var_os("PATH").unwrap()).any(|folder| folder.join(name).is_file());
    assert!(is_there || env::var_os("METROGRAPH_REQUIRE_POSTGRES").is_none(), "{name} is not installed");
    if !is_there {
        eprintln!("{name} is not installed: blocks that need it are left out");
    }
    is_there
}

/// The first JSON object that commands printed. None of them may be an error of GraphQL.
fn first_json(block: &Block, output: &str) -> Option<Value> {
    let objects = output.split_inclusive('\n').filter(|line| line.starts_with('{'));
    let objects: Vec<Value> = objects.filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert!(objects.iter().all(|object| object.get("errors").is_none()), "{}: {output}", block.place());
    objects.into_iter().next()
}

/// Returns JSON with the names of its members only; of a list, the first item.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), shape(value))).collect(),
        Value::Array(items) => items.first().map(shape).into_iter().collect(),
        _ => Value::Null,
    }
}

/// Stores the history that a page speaks of.
fn seed(server: &Server, page: &str) {
    let history = match page {
        "docs/questions.md" => weeks::history(),
        _ => serde_json::from_str(&fs::read_to_string(root().join("tests/data/documented.json")).unwrap()).unwrap(),
    };
    let send = |query: &str, input: Value| {
        let (_, answer) =
            server.request("POST", "/graphql", &json!({ "query": query, "variables": { "input": input } }));
        let payload = answer["data"].as_object().unwrap().values().next().unwrap();
        assert_eq!(payload["userErrors"], json!([]), "{answer}");
    };
    for context in history["contexts"].as_array().unwrap() {
        let query =
            "mutation($input: AnnounceContextInput!) { announceContext(input: $input) { userErrors { message } } }";
        send(query, context.clone());
    }
    for session in history["sessions"].as_array().unwrap() {
        let query =
            "mutation($input: AnnounceSessionInput!) { announceSession(input: $input) { userErrors { message } } }";
        send(query, session.clone());
    }
    let query = "mutation($input: RecordMetricsInput!) { recordMetrics(input: $input) { userErrors { message } } }";
    send(query, json!({ "metrics": history["metrics"] }));
}
