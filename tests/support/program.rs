//! The real program, with a folder and an environment of its own, real sockets and signals.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Read as _, Seek as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::builders::rest::metric_of;

/// Upper bound of everything the program does.
const TIMEOUT: Duration = Duration::from_secs(90);

/// Returns the command of the program, with nothing in its environment but `variables`.
pub fn command(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_metrograph"));
    // Only tests of draining wait for a load balancer.
    command.env_clear().env("METROGRAPH_DRAIN", "0s");
    command.args(arguments).envs(variables.iter().copied()).current_dir(folder).stdin(Stdio::null());
    command
}

/// Exit code and output of a program that ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// Asserts a command that did what it was asked for.
    pub fn assert_done(&self) {
        assert_eq!(self.code, Some(0), "{self:?}");
    }

    /// Asserts a start that was refused in one line that contains all of `words`.
    pub fn assert_refused(&self, words: &[&str]) {
        assert_eq!(self.code, Some(2), "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        assert!(self.stderr.starts_with("metrograph: ") && self.stderr.ends_with('\n'), "{self:?}");
        assert_eq!(self.stderr.lines().count(), 1, "{self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "{word}: {self:?}");
        }
    }
}

/// Runs the program to its end.
pub fn run(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
    ended(&mut command(folder, arguments, variables))
}

/// Runs a prepared command to its end.
pub fn ended(command: &mut Command) -> Ended {
    let (mut stdout, mut stderr) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    let mut child = command.stdout(stdout.try_clone().unwrap()).stderr(stderr.try_clone().unwrap()).spawn().unwrap();
    let code = wait(&mut child);
    Ended { code, stdout: text(&mut stdout), stderr: text(&mut stderr) }
}

/// Returns the command that runs the program through another one.
pub fn wrapped_by(program: &str, arguments: &[&str], plain: &Command) -> Command {
    let mut wrapped = Command::new(program);
    wrapped.args(arguments).arg(plain.get_program()).args(plain.get_args()).stdin(Stdio::null());
    wrapped.current_dir(plain.get_current_dir().unwrap());
    wrapped.env_clear().envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    wrapped
}

/// Returns the command of the program without root's right to pass over file permissions.
pub fn bound(plain: &Command) -> Command {
    use std::os::unix::fs::MetadataExt as _;

    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let arguments: &[&str] = if is_root { &["--bounding-set=-dac_override,-dac_read_search"] } else { &[] };
    wrapped_by(if is_root { "setpriv" } else { "env" }, arguments, plain)
}

fn wait(child: &mut Child) -> Option<i32> {
    let start = Instant::now();
    while start.elapsed() < TIMEOUT {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    panic!("the program did not end");
}

fn text(file: &mut File) -> String {
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}

/// Waits until a condition holds.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < TIMEOUT, "it never came: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Returns the sorted names of the files in a folder.
pub fn files(folder: &Path) -> Vec<String> {
    let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| name(entry.unwrap())).collect();
    names.sort();
    names
}

/// A running server. It is killed when dropped.
pub struct Server {
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: File,
    pub address: SocketAddr,
}

impl Server {
    /// Starts the program and waits for the log line with its address.
    pub fn start(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::of(command(folder, arguments, variables))
    }

    /// Starts a prepared command likewise.
    pub fn of(command: Command) -> Self {
        let stderr = tempfile::tempfile().unwrap();
        let log = stderr.try_clone().unwrap();
        Self::logging_to(command, log.into(), stderr)
    }

    /// Starts a prepared command whose standard error goes elsewhere; `stderr` has what the log would.
    pub fn logging_to(mut command: Command, log: Stdio, mut stderr: File) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let address =
            ["http", "https"].iter().find_map(|scheme| line.strip_prefix(&format!("Listening on {scheme}://")));
        let address = address.and_then(|rest| rest.trim_end().parse().ok());
        let address = address.unwrap_or_else(|| panic!("{line:?}: {}", text(&mut stderr)));
        Self { child, stdout, stderr, address }
    }

    /// Returns what has been logged so far.
    pub fn log(&self) -> String {
        // Through a separate cursor.
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&self.stderr));
        fs::read_to_string(path).unwrap()
    }

    /// Opens a connection.
    pub fn connect(&self) -> TcpStream {
        connect(self.address)
    }

    /// Returns the status and the JSON of a response.
    pub fn request(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        request(self.address, method, path, body).unwrap()
    }

    /// Returns the status of the response to a caller with these credentials.
    pub fn status_as(&self, credentials: &str, method: &str, path: &str, body: &Value) -> u16 {
        let headers = format!("Authorization: {credentials}\r\n");
        request_with(self.address, method, path, &headers, body).unwrap().0
    }

    /// Returns the JSON of a response that must be 200.
    pub fn get(&self, path: &str) -> Value {
        let (status, answer) = self.request("GET", path, &Value::Null);
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    /// Records a metric of this item.
    pub fn record(&self, item: &str) {
        let (status, answer) = self.request("POST", "/api/v1/metrics/", &metric_of(item));
        assert_eq!(status, 201, "{answer}");
    }

    /// Returns the number of stored metrics.
    pub fn count(&self) -> u64 {
        self.get("/api/v1/metrics/count")["count"].as_u64().unwrap()
    }

    /// Returns the process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the process to end.
    pub fn ended(mut self) -> Ended {
        let code = wait(&mut self.child);
        let mut stdout = String::new();
        self.stdout.read_to_string(&mut stdout).unwrap();
        Ended { code, stdout, stderr: text(&mut self.stderr) }
    }

    /// Stops the program as a supervisor does.
    pub fn stop(self) {
        self.signal("TERM");
        let ended = self.ended();
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{ended:?}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream
}

/// Returns the status and the JSON of a response; `None` if the connection was refused or cut.
pub fn request(address: SocketAddr, method: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
    request_with(address, method, path, "", body)
}

/// Sends further header lines, too.
fn request_with(address: SocketAddr, method: &str, path: &str, headers: &str, body: &Value) -> Option<(u16, Value)> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\n{headers}Connection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream.write_all((head + &body).as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, serde_json::from_str(body).unwrap_or_default()))
}
