//! The door: the command line, then one call.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use metrograph::{
    App, access,
    config::{self, Command, NewToken, OpenApiVersion, Settings, Stop, TokenCommand},
    graphql, rest, telemetry,
};
use tokio::{net::TcpListener, signal};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The exit code of a start that was refused.
const REFUSED: u8 = 2;

fn main() -> ExitCode {
    let done = match config::read() {
        Ok((Command::Serve, settings)) => on_runtime(async move { serve(&settings).await }),
        Ok((Command::Token(command), settings)) => on_runtime(async move { tokens(&command, &settings).await }),
        Ok((Command::Schema, _)) => print(&graphql::sdl()),
        Ok((Command::Openapi { version }, _)) => rest::openapi(&graphql::sdl(), rendering(version))
            .map_err(|error| error.to_string())
            .and_then(|description| print(&format!("{description:#}\n"))),
        Err(Stop::Answered(text)) => print(&text),
        Err(Stop::Refused(reason)) => Err(reason),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            // Nobody is left to tell when standard error is gone.
            let _ = writeln!(io::stderr(), "metrograph: {reason}");
            ExitCode::from(REFUSED)
        }
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
fn on_runtime(work: impl Future<Output = Result<(), String>> + Send + 'static) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(STACK).build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    // On a worker, which has that stack; the thread that waits here has whatever the system gave it.
    let done = runtime.block_on(runtime.spawn(work));
    // What still waits after the stop has been given its time waits for nobody.
    runtime.shutdown_background();
    done.map_err(|error| error.to_string())?
}

async fn tokens(command: &TokenCommand, settings: &Settings) -> Result<(), String> {
    let (url, storage) = (&settings.database_url, &settings.storage);
    let said = access::run(command, url, storage).await.map_err(|error| error.to_string())?;
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

async fn serve(settings: &Settings) -> Result<(), String> {
    telemetry::start(settings.log.as_str());
    let listener = TcpListener::bind(settings.listen).await;
    let listener = listener.map_err(|error| format!("--listen: {} can't be listened on: {error}", settings.listen))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let end = end().map_err(|error| error.to_string())?;
    let app = App::open(settings).await.map_err(|error| error.to_string())?;
    let scheme = if settings.tls.is_some() { "https" } else { "http" };
    print(&format!("Listening on {scheme}://{address}\n"))?;
    app.serve(listener, end).await;
    Ok(())
}

/// Ctrl-C, or what a supervisor sends.
#[cfg(unix)]
fn end() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal::unix::signal(signal::unix::SignalKind::terminate())?;
    let mut interrupt = signal::unix::signal(signal::unix::SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Ctrl-C.
#[cfg(not(unix))]
fn end() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    Ok(async {
        let _ = signal::ctrl_c().await;
    })
}
