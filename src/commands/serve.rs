//! `metrograph serve`: from settings to the exit code.

use std::{num::NonZeroU32, time::Duration};

use tokio::{net::TcpListener, sync::watch};

use crate::{
    App, LONGEST_STOP,
    commands::{Failure, on_runtime, print},
    config::Settings,
    process::{self, Signals},
    telemetry,
};

/// The exit code of a server that a part of died, or whose stop took too long.
const DIED: u8 = 1;
/// How long the system may take to close what is open.
const CLOSING: Duration = Duration::from_millis(500);

/// Runs the server until it is told to stop.
pub(crate) fn run(mut settings: Settings) -> Result<(), Failure> {
    // Let go of last.
    let _log = telemetry::start(settings.log.as_str());
    let connections = &mut settings.limits.max_connections;
    *connections = NonZeroU32::new(process::raise_open_files(connections.get())).unwrap_or(*connections);
    on_runtime(async move {
        let mut signals = Signals::listen().map_err(|error| error.to_string())?;
        let longest = settings.stop.drain + LONGEST_STOP + CLOSING;
        let (tell, told) = watch::channel(false);
        // On a worker, which has that stack; the thread that waits here has whatever the system gave it.
        let serving = tokio::spawn(serve_until(settings, told));
        // Here, where nothing blocks, whatever the workers do.
        let ended_otherwise = async {
            signals.stop().await;
            tell.send_replace(true);
            tokio::select! {
                code = signals.stop() => {
                    tracing::warn!("told to stop once more: it ends at once, and requests in flight are cut");
                    code
                }
                () = tokio::time::sleep(longest) => {
                    tracing::error!("the stop took longer than {longest:?}: it ends as it is; what was acknowledged is on disk");
                    DIED
                }
            }
        };
        tokio::select! {
            done = serving => done.unwrap_or_else(|error| {
                tracing::error!(%error, "the server ended by itself");
                Err(Failure::Ended(DIED))
            }),
            code = ended_otherwise => Err(Failure::Ended(code)),
        }
    })
}

/// Serves until it is told to stop, also while it starts.
async fn serve_until(settings: Settings, mut told: watch::Receiver<bool>) -> Result<(), Failure> {
    let listener = TcpListener::bind(settings.listen).await;
    let listener = listener.map_err(|error| format!("--listen: {} can't be listened on: {error}", settings.listen))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let mut starting = told.clone();
    let app = tokio::select! {
        app = App::open(&settings) => app.map_err(|error| settings.named(&error))?,
        _ = starting.wait_for(|told| *told) => {
            tracing::info!("told to stop before it served");
            return Ok(());
        }
    };
    let scheme = if settings.tls.is_some() { "https" } else { "http" };
    let line = format!("Listening on {scheme}://{address}");
    if let Err(error) = print(&format!("{line}\n")) {
        tracing::warn!("{line}: standard output can't be written: {error}");
    }
    let end = async move {
        // Without a sender there is nobody left to serve for.
        let _ = told.wait_for(|told| *told).await;
    };
    app.serve(listener, end).await.map_err(|_| Failure::Ended(DIED))
}
