//! `PgBouncer` for tests, in front of a test's database.

use std::{
    env, fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use super::PostgresDatabase;

/// A pooler that stops with its test.
pub struct Pooler {
    process: Child,
    folder: PathBuf,
}

impl Pooler {
    /// Starts one in this mode with this many server connections; `None` without `PgBouncer` or a Unix socket to the database.
    pub async fn start(database: &PostgresDatabase, mode: &str, sessions: u32) -> Option<Self> {
        let program = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer"];
        let program = program.iter().find(|program| fs::exists(program).unwrap());
        let (Some(program), Some((_, host))) =
            (program, database.url().split_once("?host=").map(|(a, b)| (a.to_owned(), b.to_owned())))
        else {
            assert!(
                env::var_os("METROGRAPH_REQUIRE_POSTGRES").is_none(),
                "PgBouncer is required (Debian: apt-get install pgbouncer)"
            );
            return None;
        };
        let folder = tempfile::Builder::new().prefix("metrograph-pooler-").tempdir().unwrap().keep();
        let place = folder.display();
        let settings = format!(
            "[databases]\n* = host={host} user=postgres\n[pgbouncer]\nlisten_port = 6432\nunix_socket_dir = {place}\nauth_type = any\n\
             pool_mode = {mode}\ndefault_pool_size = {sessions}\nmax_client_conn = 200\n"
        );
        fs::write(folder.join("pgbouncer.ini"), settings).unwrap();
        let mut command = Command::new(program);
        let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0\n"));
        if is_root {
            // `PgBouncer` refuses to run as root.
            assert!(Command::new("chown").args(["-R", "postgres"]).arg(&folder).status().unwrap().success());
            command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig=KILL"]).arg(program);
        }
        let process = command
            .arg("-q")
            .arg(folder.join("pgbouncer.ini"))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started = Self { process, folder };
        while !started.folder.join(".s.PGSQL.6432").exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Some(started)
    }

    /// Returns the address of the database through the pooler.
    pub fn url(&self, database: &PostgresDatabase) -> String {
        format!("postgres://postgres@localhost:6432/{}?host={}", database.name(), self.folder.display())
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
