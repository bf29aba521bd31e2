//! What servers on the same PostgreSQL tell each other. On SQLite there is one server.

use std::time::Duration;

use sea_orm::{DbErr, RuntimeErr};
use sqlx::postgres::PgListener;

use crate::config::DatabaseUrl;

/// Between two attempts to connect.
const AGAIN: Duration = Duration::from_secs(1);

/// What is heard.
#[derive(Debug)]
pub enum Notice {
    /// Another server, or this one, said this.
    Said(String),
    /// The connection was lost, and is there again: something may have been said meanwhile.
    Interrupted,
}

/// A connection that listens.
#[derive(Debug)]
pub struct Notices {
    url: DatabaseUrl,
    channel: &'static str,
    listener: Option<PgListener>,
}

impl Notices {
    /// Listens from now on.
    ///
    /// # Errors
    /// The database's.
    pub(super) async fn open(url: &DatabaseUrl, channel: &'static str) -> Result<Self, DbErr> {
        let listener = listen(url, channel).await;
        let listener = listener.map_err(|error| DbErr::Conn(RuntimeErr::Internal(error.to_string())))?;
        Ok(Self { url: url.clone(), channel, listener: Some(listener) })
    }

    /// Waits for what comes next, and for the connection where that was lost.
    pub async fn next(&mut self) -> Notice {
        loop {
            let error = match &mut self.listener {
                None => match listen(&self.url, self.channel).await {
                    Ok(listener) => {
                        self.listener = Some(listener);
                        return Notice::Interrupted;
                    }
                    Err(error) => error,
                },
                Some(listener) => match listener.try_recv().await {
                    Ok(Some(notice)) => return Notice::Said(notice.payload().to_owned()),
                    Ok(None) => return Notice::Interrupted,
                    Err(error) => error,
                },
            };
            tracing::warn!(%error, "what other servers store is not heard of at the moment");
            self.interrupt().await;
        }
    }

    /// Gives the connection up, for a new one after a while.
    pub async fn interrupt(&mut self) {
        self.listener = None;
        tokio::time::sleep(AGAIN).await;
    }
}

async fn listen(url: &DatabaseUrl, channel: &str) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect(url.as_str()).await?;
    listener.listen(channel).await?;
    Ok(listener)
}
