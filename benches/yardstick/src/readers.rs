//! The way out: a few connections, and rows that become JSON at once.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, Params};
use tokio::task;

use crate::{Failure, database, metric};

/// About what a metric takes in JSON.
const BYTES_PER_METRIC: usize = 600;

/// Connections that read, each for one request at a time.
pub struct Readers {
    connections: Vec<Mutex<Connection>>,
}

impl Readers {
    /// So many connections to `path`.
    pub fn open(path: &str, count: usize) -> rusqlite::Result<Self> {
        let connections = (0..count).map(|_| database::open(path).map(Mutex::new)).collect::<Result<_, _>>()?;
        Ok(Self { connections })
    }

    /// `{"metrics": […]}` with the first 500 metrics of which a condition holds.
    pub fn list(&self, condition: &str, parameters: impl Params) -> Result<Vec<u8>, Failure> {
        task::block_in_place(|| {
            let connection = self.connection();
            let found = metric::read(&mut metric::select(&connection, condition)?, parameters)?;
            let mut json = Vec::with_capacity(found.len() * BYTES_PER_METRIC + 64);
            json.extend_from_slice(b"{\"metrics\":");
            serde_json::to_writer(&mut json, &found)?;
            json.push(b'}');
            Ok(json)
        })
    }

    /// One that is free, or a wait for the first.
    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connections
            .iter()
            .find_map(|connection| connection.try_lock().ok())
            .unwrap_or_else(|| self.connections[0].lock().unwrap_or_else(PoisonError::into_inner))
    }
}
