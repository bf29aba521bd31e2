//! The way in: one thread that commits all that waits in one transaction, then answers.

use std::{
    sync::mpsc::{self, Receiver, Sender},
    thread,
};

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::{
    Failure,
    metric::{self, Metric},
};

/// Rows in one transaction, at most.
const MOST: usize = 1000;

/// A row, and who waits for it to be on disk.
type Waiting = (Metric, oneshot::Sender<()>);

/// Hands rows to the thread that writes.
pub struct Writer {
    queue: Sender<Waiting>,
}

impl Writer {
    /// Starts the thread. When a write fails it ends, and every later request with it.
    pub fn start(connection: Connection) -> Self {
        let (queue, waiting) = mpsc::channel();
        thread::spawn(move || {
            if let Err(error) = commit_all(connection, &waiting) {
                eprintln!("yardstick: {error}");
            }
        });
        Self { queue }
    }

    /// Returns once the row is on disk.
    pub async fn store(&self, metric: Metric) -> Result<(), Failure> {
        let (done, is_done) = oneshot::channel();
        self.queue.send((metric, done)).map_err(|_| "the writer has ended")?;
        Ok(is_done.await?)
    }
}

fn commit_all(mut connection: Connection, waiting: &Receiver<Waiting>) -> rusqlite::Result<()> {
    while let Ok(first) = waiting.recv() {
        let mut batch = vec![first];
        batch.extend(waiting.try_iter().take(MOST - 1));
        let transaction = connection.transaction()?;
        {
            let mut insertion = metric::insertion(&transaction)?;
            for (metric, _) in &batch {
                metric::insert(&mut insertion, metric)?;
            }
        }
        transaction.commit()?;
        for (_, done) in batch {
            // Whoever asked may be gone.
            let _ = done.send(());
        }
    }
    Ok(())
}
