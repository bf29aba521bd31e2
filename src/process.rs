//! What the system tells a process, and what it grants it: signals, and files that may be open.

use std::io;

/// What is open beside connections: the database's files or sockets, the log, and what waits to be told that the server is full.
#[cfg(unix)]
const OWN_FILES: u64 = 200;

/// Raises the number of files that may be open as far as the system lets it, and says where that is too little for `connections`.
/// Answers how many connections can be served: as many as leave files for the database.
#[cfg(unix)]
pub(crate) fn raise_open_files(connections: u32) -> u32 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    // None is no limit.
    let Some(granted) = (if raised.is_ok() { maximum } else { current }) else { return connections };
    let needed = u64::from(connections) + OWN_FILES;
    if granted >= needed {
        return connections;
    }
    let served = u32::try_from(granted.saturating_sub(OWN_FILES)).unwrap_or(connections).max(1);
    tracing::warn!(
        "the system lets this process open {granted} files, and --max-connections {connections} needs {needed}: {served} connections \
         are served at a time; raise its hard limit (ulimit -Hn, LimitNOFILE=), or lower --max-connections"
    );
    served
}

/// Nothing is known of such a limit.
#[cfg(not(unix))]
pub(crate) fn raise_open_files(connections: u32) -> u32 {
    connections
}

/// What ends the server.
#[cfg(unix)]
#[derive(Debug)]
pub(crate) struct Signals([tokio::signal::unix::Signal; 3]);

#[cfg(unix)]
impl Signals {
    /// Hears signals from now on. Those that would end a process and mean nothing here no longer do: SIGHUP, which reads a
    /// certificate anew where there is one; SIGUSR1 and SIGUSR2; and SIGXFSZ, for a file that may not grow tells so when it is written.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        let file_size = SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
        for ignored in [SignalKind::hangup(), SignalKind::user_defined1(), SignalKind::user_defined2(), file_size] {
            // Once it was listened for, it does nothing else any more.
            drop(signal(ignored)?);
        }
        Ok(Self([signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::quit())?]))
    }

    /// Waits for the next one that asks the server to stop. Gives the exit code of a process that it ended.
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
    /// Hears Ctrl-C from now on.
    ///
    /// # Errors
    /// None.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self(()))
    }

    /// Waits for the next one. Gives the exit code of a process that it ended.
    pub(crate) async fn stop(&mut self) -> u8 {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        128 + 2
    }
}
