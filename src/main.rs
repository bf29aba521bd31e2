//! The door: the command line, then one call.

use std::{
    io::{self, Write as _},
    num::NonZeroU32,
    process::ExitCode,
    time::Duration,
};

use metrograph::{
    App, LONGEST_STOP, access,
    config::{self, Command, NewToken, OpenApiVersion, Settings, Stop, TokenCommand},
    graphql,
    process::{self, Signals},
    rest, telemetry,
};
use tokio::{net::TcpListener, sync::watch};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The exit code of a start that was refused.
const REFUSED: u8 = 2;
/// The exit code of a server that a part of died, or whose stop took too long.
const DIED: u8 = 1;
/// How long the system may take to close what is open.
const CLOSING: Duration = Duration::from_millis(500);

/// Why the program does not end well.
enum Failure {
    /// It did not start, or did not do what it was asked to.
    Refused(String),
    /// It served, and was not ended in order. The log says why.
    Ended(u8),
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self::Refused(reason)
    }
}

fn main() -> ExitCode {
    let done = match config::read() {
        Ok((Command::Serve, settings)) => serve(settings),
        Ok((Command::Token(command), settings)) => {
            on_runtime(async move { tokens(&command, &settings).await.map_err(Failure::Refused) })
        }
        Ok((Command::Schema, _)) => print(&graphql::sdl()).map_err(Failure::Refused),
        Ok((Command::Openapi { version }, _)) => rest::openapi(&graphql::sdl(), rendering(version))
            .map_err(|error| error.to_string())
            .and_then(|description| print(&format!("{description:#}\n")))
            .map_err(Failure::Refused),
        Err(Stop::Answered(text)) => print(&text).map_err(Failure::Refused),
        Err(Stop::Refused(reason)) => Err(Failure::Refused(reason)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Refused(reason)) => {
            // Nobody is left to tell when standard error is gone.
            let _ = writeln!(io::stderr(), "metrograph: {reason}");
            ExitCode::from(REFUSED)
        }
        Err(Failure::Ended(code)) => ExitCode::from(code),
    }
}

fn rendering(version: OpenApiVersion) -> rest::OpenApi {
    match version {
        OpenApiVersion::V3_0 => rest::OpenApi::V3_0,
        OpenApiVersion::V3_1 => rest::OpenApi::V3_1,
    }
}

/// A reader that leaves early, as `head` does, is no error.
fn print(text: &str) -> Result<(), String> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.to_string()),
        _ => Ok(()),
    }
}

/// Stack of each worker: documents and filters nest as deep as their limits let them.
const STACK: usize = 8 * 1024 * 1024;

/// Runs `work` to its end.
fn on_runtime(work: impl Future<Output = Result<(), Failure>> + Send) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(STACK).build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let done = runtime.block_on(work);
    // What still waits after the stop has been given its time waits for nobody.
    runtime.shutdown_background();
    done
}

async fn tokens(command: &TokenCommand, settings: &Settings) -> Result<(), String> {
    let (url, storage) = (&settings.database_url, &settings.storage);
    let said = access::run(command, url, storage).await.map_err(|error| settings.named(&error))?;
    match command {
        TokenCommand::Create(NewToken { name, .. }) => {
            if let Err(error) = io::stdout().write_all(said.result.as_bytes()) {
                // Nobody has seen it, and nobody ever will.
                let unseen = TokenCommand::Revoke { name: name.clone() };
                let revoked =
                    access::run(&unseen, url, storage).await.map_or_else(|error| error.to_string(), |said| said.note);
                return Err(format!("the token can't be shown: standard output: {error}. {}", revoked.trim_end()));
            }
        }
        TokenCommand::List | TokenCommand::Revoke { .. } => print(&said.result)?,
    }
    // As above: nobody is left to tell.
    let _ = io::stderr().write_all(said.note.as_bytes());
    Ok(())
}

fn serve(mut settings: Settings) -> Result<(), Failure> {
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
