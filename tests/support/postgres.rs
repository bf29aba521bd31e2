//! PostgreSQL for tests: a temporary cluster for the whole run, or the server in `METROGRAPH_TEST_POSTGRES_URL`; a database
//! for each test.

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

use sea_orm::{ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection, DbBackend, Statement};

/// A database for one test.
pub struct PostgresDatabase {
    server: &'static Server,
    name: String,
}

impl PostgresDatabase {
    /// Creates a database; `None`, with one warning in the terminal, without PostgreSQL.
    pub async fn create() -> Option<Self> {
        Self::create_with("").await
    }

    /// Creates a database with options of CREATE DATABASE.
    pub async fn create_with(options: &str) -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let server = server()?;
        let name = format!("metrograph_test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        server.run("postgres", &format!("CREATE DATABASE {name} {options}")).await;
        Some(Self { server, name })
    }

    /// Drops it under its users and creates an empty one of the same name, with options of CREATE DATABASE.
    pub async fn recreate(&self, options: &str) {
        self.server.run("postgres", &format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
        self.server.run("postgres", &format!("CREATE DATABASE {} {options}", self.name)).await;
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn url(&self) -> String {
        self.server.url(&self.name)
    }

    /// Returns its address for another user, with an optional password (`user:password`) and more parameters (`&a=b`).
    pub fn url_as(&self, user: &str, parameters: &str) -> String {
        let url = self.url();
        let separator = if url.contains('?') { "" } else { "?" };
        let (scheme, rest) = url.split_once("://").unwrap();
        let host = rest.split_once('@').map_or(rest, |(_, host)| host);
        format!("{scheme}://{user}@{host}{separator}{parameters}")
    }

    /// Runs SQL in it.
    pub async fn run(&self, sql: &str) {
        self.server.run(&self.name, sql).await;
    }

    /// Returns the number that a statement selects.
    pub async fn number(&self, sql: &str) -> i64 {
        let connection = self.server.connect(&self.name).await;
        let row = connection.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap().unwrap();
        connection.close().await.unwrap();
        row.try_get_by_index(0).unwrap()
    }

    pub async fn remove(self) {
        self.server.run("postgres", &format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
    }
}

/// A role that is dropped with its test. What it owns or is granted must be in the databases of that test.
pub struct Role(String);

impl Role {
    /// Creates one, with options of CREATE ROLE.
    pub async fn create(database: &PostgresDatabase, options: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("role_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        database.run(&format!("CREATE ROLE {name} LOGIN {options}")).await;
        Self(name)
    }

    pub fn name(&self) -> &str {
        &self.0
    }

    pub async fn remove(self, database: &PostgresDatabase) {
        database.run(&format!("DROP OWNED BY {0} CASCADE; DROP ROLE {0}", self.0)).await;
    }
}

/// A running PostgreSQL server: its address before and after the name of the database.
struct Server {
    before: String,
    after: String,
}

impl Server {
    fn url(&self, database: &str) -> String {
        format!("{}/{database}{}", self.before, self.after)
    }

    async fn connect(&self, database: &str) -> DatabaseConnection {
        let mut options = ConnectOptions::new(self.url(database));
        options.max_connections(1).sqlx_logging(false);
        Database::connect(options).await.unwrap()
    }

    async fn run(&self, database: &str, sql: &str) {
        let connection = self.connect(database).await;
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

/// Starts a cluster in a temporary folder.
fn start() -> Option<Server> {
    let (_, folder) = start_cluster()?;
    Some(Server { before: "postgres://postgres@localhost".to_owned(), after: format!("?host={}", folder.display()) })
}

/// Starts a cluster in a temporary folder, and returns where its programs and the folder are. A shell waits for the end of this
/// process, however it ends, and removes it.
fn start_cluster() -> Option<(PathBuf, PathBuf)> {
    let Some(programs) = programs() else {
        left_out("neither METROGRAPH_TEST_POSTGRES_URL nor initdb is there (Debian: apt-get install postgresql)");
        return None;
    };
    let folder = tempfile::Builder::new().prefix("metrograph-postgres-").tempdir().unwrap().keep();
    give_to_owner(&folder);
    let as_owner = |program: &str| as_owner(&programs, program);
    let data = folder.join("data");
    succeed(as_owner("initdb").args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "-D"]).arg(&data));
    // A role of this name must give its password.
    let guarded = "local all guarded scram-sha-256\nlocal all all trust\nlocal replication all trust\n";
    std::fs::write(data.join("pg_hba.conf"), guarded).unwrap();
    let socket = folder.display();
    let options = format!(
        "-c listen_addresses= -c unix_socket_directories={socket} -c fsync=off -c full_page_writes=off -c max_connections=300"
    );
    let log = folder.join("log");
    succeed(as_owner("pg_ctl").arg("-D").arg(&data).arg("-l").arg(&log).args(["-w", "-o", &options, "start"]));
    watch(&as_owner("pg_ctl"), &data, &folder);
    Some((programs, folder))
}

/// A cluster of a test's own, which may be stopped and started.
pub struct Cluster {
    programs: PathBuf,
    folder: PathBuf,
}

impl Cluster {
    /// Starts one; `None` where tests on PostgreSQL are left out.
    pub fn start() -> Option<Self> {
        let (programs, folder) = start_cluster()?;
        Some(Self { programs, folder })
    }

    /// Returns the address of its database.
    pub fn url(&self) -> String {
        format!("postgres://postgres@localhost/postgres?host={}", self.folder.display())
    }

    fn control(&self, arguments: &[&str]) {
        let mut control = as_owner(&self.programs, "pg_ctl");
        control.arg("-D").arg(self.folder.join("data")).arg("-w").arg("-l").arg(self.folder.join("log"));
        succeed(control.args(arguments));
    }

    /// Stops it: `fast` cuts connections, `immediate` is a crash.
    pub fn stop(&self, mode: &str) {
        self.control(&["-m", mode, "stop"]);
    }

    /// Starts it again, with more options.
    pub fn start_again(&self, options: &str) {
        let options =
            format!("-c listen_addresses= -c unix_socket_directories={} -c fsync=off {options}", self.folder.display());
        self.control(&["-o", &options, "start"]);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop("immediate");
    }
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0\n"))
}

/// PostgreSQL refuses to run as root.
fn give_to_owner(folder: &Path) {
    if is_root() {
        succeed(Command::new("chown").arg("postgres").arg(folder));
    }
}

fn as_owner(programs: &Path, program: &str) -> Command {
    let program = programs.join(program);
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--"]).arg(program);
    command
}

/// A hot standby of the cluster, which stops with its test.
pub struct Standby {
    folder: PathBuf,
    programs: PathBuf,
}

impl Standby {
    /// Starts one of the cluster that has `database`; `None` if that is not the temporary one.
    pub fn of(database: &PostgresDatabase) -> Option<Self> {
        let (_, host) = database.server.after.split_once("?host=")?;
        let programs = programs()?;
        let folder = tempfile::Builder::new().prefix("metrograph-standby-").tempdir().unwrap().keep();
        give_to_owner(&folder);
        let data = folder.join("data");
        let mut copy = as_owner(&programs, "pg_basebackup");
        succeed(copy.args(["-h", host, "-U", "postgres", "-R", "-c", "fast", "--no-sync", "-D"]).arg(&data));
        let options = format!(
            "-c unix_socket_directories={} -c listen_addresses= -c fsync=off -c max_connections=300",
            folder.display()
        );
        let mut start = as_owner(&programs, "pg_ctl");
        succeed(start.arg("-D").arg(&data).arg("-l").arg(folder.join("log")).args(["-w", "-o", &options, "start"]));
        watch(&as_owner(&programs, "pg_ctl"), &data, &folder);
        Some(Self { folder, programs })
    }

    /// Returns the address of a database on it.
    pub fn url(&self, database: &PostgresDatabase) -> String {
        format!("{}/{}?host={}", database.server.before, database.name, self.folder.display())
    }
}

impl Drop for Standby {
    fn drop(&mut self) {
        let mut stop = as_owner(&self.programs, "pg_ctl");
        succeed(stop.arg("-D").arg(self.folder.join("data")).args(["-m", "immediate", "stop"]));
    }
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

/// Finds initdb and `pg_ctl`: on the path, or where Debian installs them.
fn programs() -> Option<PathBuf> {
    let on_path = env::var_os("PATH").into_iter().flat_map(|path| env::split_paths(&path).collect::<Vec<_>>());
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut packaged: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    packaged.sort();
    on_path
        .chain(packaged.into_iter().rev())
        .find(|folder| folder.join("initdb").exists() && folder.join("pg_ctl").exists())
        // If only these two are linked, the other programs are next to the targets of the links.
        .and_then(|folder| Some(folder.join("initdb").canonicalize().ok()?.parent()?.to_owned()))
}

fn succeed(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

fn left_out(reason: &str) {
    assert!(env::var_os("METROGRAPH_REQUIRE_POSTGRES").is_none(), "PostgreSQL is required: {reason}");
    // Straight to the terminal: the test harness captures what passing tests print.
    let _ = writeln!(io::stderr(), "\nTHE TESTS ON POSTGRESQL ARE LEFT OUT: {reason}\n");
}
