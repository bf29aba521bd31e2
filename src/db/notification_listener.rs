//! LISTEN/NOTIFY: servers on the same PostgreSQL notify each other after a commit. On SQLite there is one server.

use std::time::Duration;

use entity::dialect::postgres::CHANNEL;
use sea_orm::DbErr;
use sqlx::postgres::PgListener;

use super::postgres::{failed, pool};
use crate::config::DatabaseUrl;

/// Between two attempts to connect.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// What a listener receives.
#[derive(Debug)]
pub enum Notification {
    /// The text of a NOTIFY, of this server or another one.
    Payload(String),
    /// The connection was lost and is back: notifications in between were missed.
    Reconnected,
}

/// A connection that listens.
#[derive(Debug)]
pub struct NotificationListener {
    url: DatabaseUrl,
    listener: Option<PgListener>,
}

impl NotificationListener {
    /// Listens from now on.
    ///
    /// # Errors
    /// The database's.
    pub(super) async fn connect(url: &DatabaseUrl) -> Result<Self, DbErr> {
        let listener = listen(url).await?;
        Ok(Self { url: url.clone(), listener: Some(listener) })
    }

    /// Waits for the next notification. Connects again where the connection is lost.
    pub async fn next(&mut self) -> Notification {
        loop {
            let error = match &mut self.listener {
                None => match listen(&self.url).await {
                    Ok(listener) => {
                        self.listener = Some(listener);
                        return Notification::Reconnected;
                    }
                    Err(error) => error,
                },
                Some(listener) => match listener.try_recv().await {
                    Ok(Some(notification)) => return Notification::Payload(notification.payload().to_owned()),
                    Ok(None) => return Notification::Reconnected,
                    Err(error) => failed(error),
                },
            };
            tracing::warn!(%error, "lost the LISTEN connection; retrying in 1 s");
            self.listener = None;
            tokio::time::sleep(RETRY_INTERVAL).await;
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
