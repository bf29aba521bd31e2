//! `metrograph serve`: runs the server until a signal stops it.

use std::{net, num::NonZeroU32, time::Duration};

use tokio::{net::TcpListener, sync::watch};

use crate::{
    App, SHUTDOWN_TIMEOUT,
    commands::{failure::Failure, output::print, runtime::on_runtime},
    config::{LogFormat, Settings},
    process::{self, Signals},
    telemetry,
};

/// The exit code after a component died or the shutdown timed out.
const DIED: u8 = 1;
/// How long the system may take to close what is open.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);

/// Runs the server until a signal stops it.
pub(crate) fn run(mut settings: Settings) -> Result<(), Failure> {
    // While there is one thread.
    let inherited = process::inherited_listener()?;
    // Dropped last.
    let _log = telemetry::start(settings.log.as_str(), settings.log_format == LogFormat::Json);
    let connections = &mut settings.limits.max_connections;
    *connections = NonZeroU32::new(process::raise_open_files(connections.get())).unwrap_or(*connections);
    on_runtime(async move {
        let mut signals = Signals::listen().map_err(|error| error.to_string())?;
        let timeout = settings.stop.drain + SHUTDOWN_TIMEOUT + CLOSE_TIMEOUT;
        let (stop, stopped) = watch::channel(false);
        // On a worker thread, because of its stack; the main thread has the system's default.
        let serving = tokio::spawn(serve_until(settings, inherited, stopped));
        // On the main thread, which never blocks.
        let ended_otherwise = async {
            signals.stop().await;
            stop.send_replace(true);
            tokio::select! {
                code = signals.stop() => {
                    tracing::warn!("second signal to stop: exiting at once; requests in flight are cut");
                    code
                }
                () = tokio::time::sleep(timeout) => {
                    tracing::error!("shutdown took longer than {timeout:?}: exiting; acknowledged writes are on disk");
                    DIED
                }
            }
        };
        tokio::select! {
            done = serving => done.unwrap_or_else(|error| {
                tracing::error!(%error, "the server task failed");
                Err(Failure::Ended(DIED))
            }),
            code = ended_otherwise => Err(Failure::Ended(code)),
        }
    })
}

/// Serves until `stop` is true, also while starting: a socket that a supervisor holds, or one of its own.
async fn serve_until(
    settings: Settings,
    inherited: Option<net::TcpListener>,
    mut stopped: watch::Receiver<bool>,
) -> Result<(), Failure> {
    let listener = match inherited {
        Some(listener) => TcpListener::from_std(listener),
        None => TcpListener::bind(settings.listen).await,
    };
    let listener = listener.map_err(|error| format!("--listen: {} can't be listened on: {error}", settings.listen))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let mut starting = stopped.clone();
    let app = tokio::select! {
        app = App::open(&settings) => app.map_err(|error| settings.named(&error))?,
        _ = starting.wait_for(|stopped| *stopped) => {
            tracing::info!("stopped before the server was ready");
            return Ok(());
        }
    };
    let scheme = if settings.tls.is_some() { "https" } else { "http" };
    let line = format!("Listening on {scheme}://{address}");
    if let Err(error) = print(&format!("{line}\n")) {
        tracing::warn!("{line}: standard output can't be written: {error}");
    }
    let end = async move {
        // A dropped sender stops the server, too.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    app.serve(listener, end).await.map_err(|_| Failure::Ended(DIED))
}
