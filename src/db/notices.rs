//! What servers on the same PostgreSQL tell each other. On SQLite there is one server.

use std::time::Duration;

use entity::dialect::postgres::CHANNEL;
use sea_orm::DbErr;
use sqlx::postgres::PgListener;

use super::postgres::{failed, pool};
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
    listener: Option<PgListener>,
}

impl Notices {
    /// Listens from now on.
    ///
    /// # Errors
    /// The database's.
    pub(super) async fn open(url: &DatabaseUrl) -> Result<Self, DbErr> {
        let listener = listen(url).await?;
        Ok(Self { url: url.clone(), listener: Some(listener) })
    }

    /// Waits for what comes next, and for the connection where that was lost.
    pub async fn next(&mut self) -> Notice {
        loop {
            let error = match &mut self.listener {
                None => match listen(&self.url).await {
                    Ok(listener) => {
                        self.listener = Some(listener);
                        return Notice::Interrupted;
                    }
                    Err(error) => error,
                },
                Some(listener) => match listener.try_recv().await {
                    Ok(Some(notice)) => return Notice::Said(notice.payload().to_owned()),
                    Ok(None) => return Notice::Interrupted,
                    Err(error) => failed(error),
                },
            };
            tracing::warn!(%error, "what other servers store is not heard of at the moment");
            self.listener = None;
            tokio::time::sleep(AGAIN).await;
        }
    }
}

async fn listen(url: &DatabaseUrl) -> Result<PgListener, DbErr> {
    let pool = pool(url, 1, None).await?;
    let channel: String = sqlx::query_scalar(CHANNEL).fetch_one(&pool).await.map_err(failed)?;
    let mut listener = PgListener::connect_with(&pool).await.map_err(failed)?;
    listener.listen(&channel).await.map_err(failed)?;
    Ok(listener)
}
