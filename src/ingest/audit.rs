//! Records of who deleted what, and when: each is stored in the transaction that does it.

use entity::{
    driver::keys,
    table::audit_record::{ActiveModel, DELETE_SESSIONS},
};
use sea_orm::{ActiveValue::Set, DbErr};

use crate::ingest::{batch::Batch, deletion::Deleted};

/// What an audit record says of a deletion: who asked for it, and which sessions it is of.
#[derive(Debug, Clone)]
pub struct Audited {
    /// The name of the token that asks for it; `None` for a command.
    pub token: Option<String>,
    /// The sessions: their filter, as GraphQL writes it.
    pub subject: String,
}

/// Adds to the counters of record `$1`.
const ADD: &str =
    "UPDATE audit_record SET session_count = session_count + $2, metric_count = metric_count + $3 WHERE id = $1";

/// Notes what was deleted: in this record, or in a new one. Returns its key.
pub(crate) async fn note(
    batch: &Batch<'_>,
    record: Option<i64>,
    audited: &Audited,
    deleted: Deleted,
) -> Result<i64, DbErr> {
    let [sessions, metrics] = [deleted.sessions, deleted.metrics].map(|count| i64::try_from(count).unwrap_or(i64::MAX));
    if let Some(id) = record {
        batch.tx.run(ADD, [id.into(), sessions.into(), metrics.into()]).await?;
        return Ok(id);
    }
    let id = keys::next(&batch.tx, "audit_record", "id").await?;
    let row = ActiveModel {
        id: Set(id),
        at: Set(batch.now),
        token: Set(audited.token.clone()),
        action: Set(DELETE_SESSIONS.to_owned()),
        subject: Set(audited.subject.clone()),
        session_count: Set(sessions),
        metric_count: Set(metrics),
    };
    batch.tx.insert(row).await?;
    Ok(id)
}
