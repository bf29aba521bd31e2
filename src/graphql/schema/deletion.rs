//! Deletion of sessions.

use async_graphql::{Context, InputType as _, Object, SimpleObject, Value};
use entity::{list::Slice, query::Query as _, table::session};

use crate::{
    access::Caller,
    config::Scope,
    error::{Code, Error},
    graphql::{
        directive::access, error::FieldResult, lists::filter::Where as _, scalars::Int,
        schema::session_where::SessionWhere, state::state_of,
    },
    ingest::{Audited, Deleted, Incomplete},
};

/// Metrics that a mutation deletes, at most: a command has more time.
const MAX_METRICS: u64 = 1_000_000;

/// The result of deleting sessions.
#[derive(SimpleObject)]
pub struct DeleteSessionsPayload {
    /// Number of sessions that were deleted, or would be.
    session_count: Int,
    /// Number of their metrics.
    metric_count: Int,
}

impl From<Deleted> for DeleteSessionsPayload {
    fn from(Deleted { sessions, metrics }: Deleted) -> Self {
        Self { session_count: sessions.into(), metric_count: metrics.into() }
    }
}

/// Refuses a filter without a condition, which would leave nothing.
///
/// # Errors
/// [`Code::BadUserInput`].
pub fn checked(filter: &SessionWhere) -> Result<(), Error> {
    fn has_condition(value: &Value) -> bool {
        match value {
            Value::Null | Value::Enum(_) => false,
            Value::List(values) => values.iter().any(has_condition),
            Value::Object(fields) => fields.values().any(has_condition),
            _ => true,
        }
    }
    if has_condition(&filter.to_value()) {
        return Ok(());
    }
    Err(Error::bad_input("where: it has no condition, so all sessions would go: give one"))
}

#[derive(Default)]
pub struct DeletionMutation;

#[Object]
impl DeletionMutation {
    /// Deletes the announced sessions that match, with their metrics and whatever nothing else refers to. They are gone from every answer at
    /// once; what they took of the database is cleared away later. `auditRecords` says who deleted what. A session that is still running
    /// comes back with what it records afterwards. If the request ends early, the deletion goes on.
    #[graphql(directive = access::apply(Scope::Admin))]
    async fn delete_sessions(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "where", desc = "Filter: delete the sessions that match. It must have a condition.")]
        filter: SessionWhere,
        #[graphql(desc = "Only count what would be deleted.", default)] dry_run: bool,
    ) -> FieldResult<DeleteSessionsPayload> {
        checked(&filter)?;
        let subject = without_nulls(filter.to_value()).to_string();
        let state = state_of(ctx);
        let slice = Slice::all(filter.check(ctx)?);
        let sessions = session::Entity::rows(&state.database.store, &slice).await.map_err(Error::from)?;
        let metrics = sessions.iter().map(|session| session.metric_count.unsigned_abs()).sum();
        if metrics > MAX_METRICS {
            let message = format!(
                "where: these sessions have {metrics} metrics, and a request deletes at most {MAX_METRICS}: narrow the filter, or use \
                 metrograph delete --where"
            );
            return Err(Error::new(Code::LimitExceeded, message).into());
        }
        if dry_run {
            return Ok(Deleted { sessions: sessions.len() as u64, metrics }.into());
        }
        let token = ctx.data_unchecked::<Caller>().token_name().map(|name| (*name).to_owned());
        let (ingest, store) = (state.ingest.clone(), state.database.store.clone());
        // In a task of its own: it is not left half-done when the client goes away.
        let deletion = tokio::spawn(async move {
            let audited = Audited { token, subject };
            ingest.delete_sessions(&store, &sessions, &audited).await
        });
        let deleted = deletion.await.map_err(|_| Error::defect())?.map_err(|Incomplete { mut error, deleted }| {
            if deleted.sessions > 0 {
                error.message = format!("{}; {} sessions were deleted before that", error.message, deleted.sessions);
            }
            error
        })?;
        Ok(deleted.into())
    }
}

/// Returns a filter as whoever wrote it did, which is without the conditions that it has not.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let given = fields.into_iter().filter(|(_, value)| *value != Value::Null);
            Value::Object(given.map(|(name, value)| (name, without_nulls(value))).collect())
        }
        Value::List(values) => Value::List(values.into_iter().map(without_nulls).collect()),
        value => value,
    }
}
