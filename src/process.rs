//! Signals and limits of the operating system, and the socket that a supervisor hands over.

use std::{io, net::TcpListener};

/// File descriptors besides connections: database files or sockets, the log, and connections over the limit.
#[cfg(unix)]
const RESERVED_FILES: u64 = 200;

/// Raises the limit of open files as far as the system permits, and warns if it is too low for `connections`. Returns
/// how many connections it suffices for.
#[cfg(unix)]
pub(crate) fn raise_open_files(connections: u32) -> u32 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    // `None` means unlimited.
    let Some(granted) = (if raised.is_ok() { maximum } else { current }) else { return connections };
    let needed = u64::from(connections) + RESERVED_FILES;
    if granted >= needed {
        return connections;
    }
    let supported = u32::try_from(granted.saturating_sub(RESERVED_FILES)).unwrap_or(connections).max(1);
    tracing::warn!(
        "the system lets this process open {granted} files, and --max-connections {connections} needs {needed}: {supported} connections \
         are served at a time; raise its hard limit (ulimit -Hn, LimitNOFILE=), or lower --max-connections"
    );
    supported
}

/// Returns the socket to listen on that the supervisor has handed over, as systemd does (`LISTEN_FDS`), if there is one.
///
/// # Errors
/// Several sockets, or one that is not for TCP.
#[cfg(unix)]
pub(crate) fn inherited_listener() -> Result<Option<TcpListener>, String> {
    let mut inherited = listenfd::ListenFd::from_env();
    match inherited.len() {
        0 => return Ok(None),
        1 => {}
        several => {
            return Err(format!(
                "the supervisor hands over {several} sockets (LISTEN_FDS): give one, with one ListenStream= in the socket unit"
            ));
        }
    }
    let listener = inherited.take_tcp_listener(0).and_then(|listener| {
        if let Some(listener) = &listener {
            listener.set_nonblocking(true)?;
        }
        Ok(listener)
    });
    listener.map_err(|error| {
        format!(
            "the socket that the supervisor hands over can't be listened on: give a TCP port (ListenStream=): {error}"
        )
    })
}

/// Sockets are handed over on Unix only.
#[cfg(not(unix))]
pub(crate) fn inherited_listener() -> Result<Option<TcpListener>, String> {
    Ok(None)
}

/// No such limit is known on this platform.
#[cfg(not(unix))]
pub(crate) fn raise_open_files(connections: u32) -> u32 {
    connections
}

/// The signals that stop the server.
#[cfg(unix)]
#[derive(Debug)]
pub(crate) struct Signals([tokio::signal::unix::Signal; 3]);

#[cfg(unix)]
impl Signals {
    /// Handles signals from now on. Signals that would end a process but mean nothing here are ignored: SIGHUP (reloads
    /// a certificate if there is one), SIGUSR1, SIGUSR2, and SIGXFSZ (the failed write is reported).
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        let file_size = SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
        for ignored in [SignalKind::hangup(), SignalKind::user_defined1(), SignalKind::user_defined2(), file_size] {
            // Tokio never restores the default action.
            drop(signal(ignored)?);
        }
        Ok(Self([signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::quit())?]))
    }

    /// Waits for a signal to stop. Returns the exit code of a process that it would have ended.
    pub(crate) async fn stop(&mut self) -> u8 {
        let [terminate, interrupt, quit] = &mut self.0;
        tokio::select! {
            _ = terminate.recv() => 128 + 15,
            _ = interrupt.recv() => 128 + 2,
            _ = quit.recv() => 128 + 3,
        }
    }
}

/// Ctrl-C.
#[cfg(not(unix))]
#[derive(Debug)]
pub(crate) struct Signals(());

#[cfg(not(unix))]
impl Signals {
    /// Handles Ctrl-C from now on.
    ///
    /// # Errors
    /// None.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self(()))
    }

    /// Waits for Ctrl-C. Returns the exit code of a process that it would have ended.
    pub(crate) async fn stop(&mut self) -> u8 {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        128 + 2
    }
}
