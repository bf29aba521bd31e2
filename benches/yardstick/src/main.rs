//! The yardstick: what code written by hand, with nothing in between, makes of the same rows on the same machine. No GraphQL, no
//! ORM, no names stored once, no counters, no checks beyond parsing; but a 201 means here, too, that the row is on disk.
//!
//! `yardstick DATABASE PORT` serves a file in the layout of monitor-server-api, as `benches/dataset.py` writes it, and says where it
//! listens once it does. Three indexes are added to the file at start.
//!
//! - `GET /metrics?after=KEY`: the 500 metrics behind a key
//! - `GET /sessions/{hash}/metrics`: the metrics of a session, 500 at most
//! - `POST /metrics/`: stores one metric

mod database;
mod metric;
mod readers;
mod routes;
mod writer;

use std::{
    env,
    io::{self, Write as _},
    process::ExitCode,
};

use readers::Readers;
use routes::App;
use tokio::net::TcpListener;
use writer::Writer;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Whatever went wrong: there is nobody here who would tell errors apart.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Threads that serve requests, and connections that read. They are fixed, so that the yardstick does not grow with the machine.
const WORKERS: usize = 2;
const READERS: usize = 4;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("yardstick: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [path, port] = arguments.as_slice() else {
        return Err("usage: yardstick DATABASE PORT".into());
    };
    let port: u16 = port.parse()?;
    let writing = database::open(path)?;
    database::add_indexes(&writing)?;
    let app = App { readers: Readers::open(path, READERS)?, writer: Writer::start(writing) };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        writeln!(io::stdout(), "Listening on http://{}", listener.local_addr()?)?;
        Ok(axum::serve(listener, routes::router(app)).await?)
    })
}
