//! Mutations that announce sessions and execution contexts.

use std::sync::Arc;

use async_graphql::{Context, InputObject, Object, SimpleObject};
use entity::table::execution_context as context_row;

use crate::{
    access::Caller,
    graphql::{
        error::FieldResult,
        scalars::{LocalDateTime, Tags},
        schema::{
            execution_context::ExecutionContext,
            session::Session,
            user_error::{UserError, split_user_errors},
        },
        state::{ObjectCaches, state_of},
    },
    ingest::{Announced, Defaults, NewContext, NewSession},
};

/// The description of a session to announce.
#[derive(Debug, InputObject)]
pub struct AnnounceSessionInput {
    /// The hash by which metrics refer to the session. Any text; the plugin sends a digest.
    hash: String,
    /// Start time of the run, on the clock of its machine.
    run_date: LocalDateTime,
    /// The revision under test, as the version control system names it.
    scm_ref: Option<String>,
    /// The tags of the session. `pipeline_branch`, `pipeline_build_no` and `__ci__` give pipeline, build and CI system,
    /// `project`, `branch` (or `git_branch`) and `run_id` give project, branch and run.
    tags: Tags,
    /// The project. Default: the tag `project`. The name may be empty.
    project: Option<String>,
    /// What the session gets besides, unless it has its own or is stored already. If it is stored, it may then have
    /// more tags and a revision, and still is the same. For clients that send files again.
    defaults: Option<SessionDefaultsInput>,
}

/// What a session gets besides, unless it has its own or is stored already.
#[derive(Debug, InputObject)]
pub struct SessionDefaultsInput {
    /// The revision under test.
    scm_ref: Option<String>,
    /// The tags, each unless the session has one of its name.
    tags: Tags,
}

impl From<SessionDefaultsInput> for Defaults {
    fn from(input: SessionDefaultsInput) -> Self {
        let SessionDefaultsInput { scm_ref, tags: Tags(tags) } = input;
        Self { scm_ref, tags }
    }
}

impl From<AnnounceSessionInput> for NewSession {
    fn from(input: AnnounceSessionInput) -> Self {
        let AnnounceSessionInput {
            hash,
            run_date: LocalDateTime(run_date),
            scm_ref,
            tags: Tags(tags),
            project,
            defaults,
        } = input;
        Self { hash, run_date, scm_ref, tags, project, defaults: defaults.map(Into::into) }
    }
}

/// The result of an announcement.
#[derive(SimpleObject)]
pub struct AnnounceSessionPayload {
    /// The stored session. Null if it was not stored (see `userErrors`), or if one of its fields failed to resolve (see
    /// the response's `errors`); in the latter case the session is stored nevertheless.
    session: Option<Session>,
    /// The reasons why it was not stored. Empty on success.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub struct SessionMutation;

#[Object]
impl SessionMutation {
    /// Announces a session, before or after its metrics. Announcing the same session again returns the stored one.
    async fn announce_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The session to announce.")] input: AnnounceSessionInput,
    ) -> FieldResult<AnnounceSessionPayload> {
        let announced = state_of(ctx).ingest.announce_session(input.into()).await;
        let (announced, user_errors) = split_user_errors(announced, "hash")?;
        let session = announced.and_then(|Announced { row, tags: stored }| {
            // Fills the caches, so that the payload is resolved without a query: writers do not wait for a reader connection.
            let caches = state_of(ctx).caches();
            let ObjectCaches { tags, session_tags, .. } = &*caches;
            session_tags.insert(row.id, stored.iter().map(|tag| tag.id).collect());
            for tag in stored {
                tags.insert(tag.id, Arc::new(tag));
            }
            Session::announced(row)
        });
        Ok(AnnounceSessionPayload { session, user_errors })
    }
}

/// The description of an execution context to announce.
#[derive(Debug, InputObject)]
pub struct AnnounceContextInput {
    /// The hash by which metrics refer to the context. Any text; the plugin sends a digest.
    hash: String,
    /// Number of logical processors.
    cpu_count: i64,
    /// Processor frequency, in MHz.
    cpu_frequency: f64,
    /// Processor type, such as `x86_64`.
    cpu_type: String,
    /// Processor vendor and model.
    cpu_vendor: Option<String>,
    /// Total memory, in MB.
    ram_total: i64,
    /// Network name of the machine.
    machine_node: String,
    /// Machine type, such as `x86_64`.
    machine_type: String,
    /// Word size of the Python interpreter, such as `64bit`.
    machine_arch: String,
    /// Operating system and release.
    system_info: String,
    /// Python version, as `sys.version` gives it.
    python_info: String,
}

impl From<AnnounceContextInput> for NewContext {
    fn from(input: AnnounceContextInput) -> Self {
        Self {
            hash: input.hash,
            cpu_count: input.cpu_count,
            cpu_frequency: input.cpu_frequency,
            cpu_type: input.cpu_type,
            cpu_vendor: input.cpu_vendor,
            ram_total: input.ram_total,
            machine_node: input.machine_node,
            machine_type: input.machine_type,
            machine_arch: input.machine_arch,
            system_info: input.system_info,
            python_info: input.python_info,
        }
    }
}

/// The result of an announcement.
#[derive(SimpleObject)]
pub struct AnnounceContextPayload {
    /// The stored context. Null if it was not stored (see `userErrors`), or if one of its fields failed to resolve (see
    /// the response's `errors`); in the latter case the context is stored nevertheless.
    context: Option<ExecutionContext>,
    /// The reasons why it was not stored. Empty on success.
    user_errors: Vec<UserError>,
}

/// Returns the context as the caller sent it. Callers without the scope READ must not see what another caller has stored for this
/// hash.
fn as_sent(stored: context_row::Model, sent: NewContext) -> context_row::Model {
    context_row::Model {
        cpu_count: Some(sent.cpu_count),
        cpu_frequency: Some(sent.cpu_frequency),
        cpu_type: Some(sent.cpu_type),
        cpu_vendor: sent.cpu_vendor,
        ram_total: Some(sent.ram_total),
        machine_node: Some(sent.machine_node),
        machine_type: Some(sent.machine_type),
        machine_arch: Some(sent.machine_arch),
        system_info: Some(sent.system_info),
        python_info: Some(sent.python_info),
        ..stored
    }
}

#[derive(Default)]
pub struct ContextMutation;

#[Object]
impl ContextMutation {
    /// Announces an execution context, before or after its metrics. If the hash is already stored, the stored context
    /// is returned and the rest of the input is ignored; callers without the scope READ get their input back.
    async fn announce_context(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The execution context to announce.")] input: AnnounceContextInput,
    ) -> FieldResult<AnnounceContextPayload> {
        let context = NewContext::from(input);
        let may_read = ctx.data_unchecked::<Caller>().may_read().is_ok();
        let sent = (!may_read).then(|| context.clone());
        let context = state_of(ctx).ingest.announce_context(context).await;
        let (context, user_errors) = split_user_errors(context, "hash")?;
        let context = context.map(|stored| match sent {
            Some(sent) => as_sent(stored, sent),
            None => stored,
        });
        Ok(AnnounceContextPayload { context: context.and_then(ExecutionContext::announced), user_errors })
    }
}
