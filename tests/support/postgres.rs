//! PostgreSQL for tests: one cluster of our own for the whole run, or the one that `METROGRAPH_TEST_POSTGRES_URL` names; a database
//! of its own for each test.

use std::{
    env,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use sea_orm::{ConnectOptions, ConnectionTrait as _, Database};

/// A database that one test has to itself.
pub struct PostgresDatabase {
    server: &'static Server,
    name: String,
}

impl PostgresDatabase {
    /// A new database; `None`, said once and loudly, where there is no PostgreSQL.
    pub async fn create() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let server = server()?;
        let name = format!("metrograph_test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        server.run(&format!("CREATE DATABASE {name}")).await;
        Some(Self { server, name })
    }

    pub fn url(&self) -> String {
        self.server.url(&self.name)
    }

    pub async fn remove(self) {
        self.server.run(&format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
    }
}

/// A running PostgreSQL: its address before and after the name of the database.
struct Server {
    before: String,
    after: String,
}

impl Server {
    fn url(&self, database: &str) -> String {
        format!("{}/{database}{}", self.before, self.after)
    }

    async fn run(&self, sql: &str) {
        let mut options = ConnectOptions::new(self.url("postgres"));
        options.max_connections(1).sqlx_logging(false);
        let connection = Database::connect(options).await.unwrap();
        connection.execute_unprepared(sql).await.unwrap();
        connection.close().await.unwrap();
    }
}

fn server() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER.get_or_init(|| given().or_else(start)).as_ref()
}

fn given() -> Option<Server> {
    let url = env::var("METROGRAPH_TEST_POSTGRES_URL").ok()?;
    let (address, parameters) = url.split_once('?').unwrap_or((&url, ""));
    let authority = address.find("://").map_or(0, |scheme| scheme + 3);
    let end = address[authority..].find('/').map_or(address.len(), |slash| authority + slash);
    let after = if parameters.is_empty() { String::new() } else { format!("?{parameters}") };
    Some(Server { before: address[..end].to_owned(), after })
}

/// Starts a cluster under the temporary folder. A shell waits for the end of this process, however it comes, and removes it.
fn start() -> Option<Server> {
    let Some(programs) = programs() else {
        left_out("neither METROGRAPH_TEST_POSTGRES_URL nor initdb is there (Debian: apt-get install postgresql)");
        return None;
    };
    let folder = tempfile::Builder::new().prefix("metrograph-postgres-").tempdir().unwrap().keep();
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0\n"));
    if is_root {
        // initdb refuses root.
        succeed(Command::new("chown").arg("postgres").arg(&folder));
    }
    let as_owner = |program: &str| {
        let program = programs.join(program);
        if is_root {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        }
    };
    let data = folder.join("data");
    succeed(as_owner("initdb").args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "-D"]).arg(&data));
    let socket = folder.display();
    let options = format!(
        "-c listen_addresses= -c unix_socket_directories={socket} -c fsync=off -c full_page_writes=off -c max_connections=300"
    );
    let log = folder.join("log");
    succeed(as_owner("pg_ctl").arg("-D").arg(&data).arg("-l").arg(&log).args(["-w", "-o", &options, "start"]));
    watch(&as_owner("pg_ctl"), &data, &folder);
    Some(Server { before: "postgres://postgres@localhost".to_owned(), after: format!("?host={socket}") })
}

fn watch(pg_ctl: &Command, data: &Path, folder: &Path) {
    let stop: Vec<_> = std::iter::once(pg_ctl.get_program()).chain(pg_ctl.get_args()).collect();
    let mut watcher = Command::new("sh");
    watcher.args(["-c", r#"cat; "$@"; rm -rf "$0""#]).arg(folder).args(stop);
    watcher.arg("-D").arg(data).args(["-m", "immediate", "stop"]);
    let watcher = watcher.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // Its standard input closes with this process.
    std::mem::forget(watcher);
}

/// Where initdb and `pg_ctl` are: on the path, or where Debian puts them.
fn programs() -> Option<PathBuf> {
    let on_path = env::var_os("PATH").into_iter().flat_map(|path| env::split_paths(&path).collect::<Vec<_>>());
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut packaged: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    packaged.sort();
    on_path
        .chain(packaged.into_iter().rev())
        .find(|folder| folder.join("initdb").exists() && folder.join("pg_ctl").exists())
}

fn succeed(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

fn left_out(reason: &str) {
    assert!(env::var_os("METROGRAPH_REQUIRE_POSTGRES").is_none(), "PostgreSQL is required: {reason}");
    // Straight to the terminal: the test harness keeps what passing tests print to itself.
    let _ = writeln!(io::stderr(), "\nTHE TESTS ON POSTGRESQL ARE LEFT OUT: {reason}\n");
}
