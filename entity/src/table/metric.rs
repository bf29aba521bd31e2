//! Metrics: one measurement of one test each, with keys that refer to all other tables (a fact table).

use sea_orm::{
    entity::prelude::*,
    sea_query::{ExprTrait as _, Query},
};

use crate::{
    column,
    driver::{executor::Transaction, row::from_row, source::Source},
    filter::{self, Number, Text},
    list::{Edge, Listable},
    resource::Resource,
    table::{execution_context, plain_entity, session, variant},
    time::LocalDateTime,
};

/// A row of `metric_row`: a metric that is not sealed, or whose row is kept. All metrics are in [`crate::history`].
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "metric_row")]
pub struct Model {
    /// The key, which counts up in order of insertion.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// The key of the session.
    pub session_id: i64,
    /// The key of the execution context.
    pub context_id: i64,
    /// The key of the variant.
    pub variant_id: i64,
    /// When the test began, in microseconds, see [`LocalDateTime`].
    pub started_at: i64,
    /// The text as it was sent, if it is not canonical.
    pub started_at_text: Option<String>,
    /// The wall time, in seconds.
    pub total_time: f64,
    /// The processor time in user space, in seconds.
    pub user_time: f64,
    /// The processor time in the kernel, in seconds.
    pub kernel_time: f64,
    /// Processor time divided by wall time: 1 is one processor kept busy.
    pub cpu_usage: f64,
    /// The memory, in MB; negative if memory was released.
    pub memory_usage: f64,
    /// Whether the test passed; null if not sent.
    pub passed: Option<bool>,
}

from_row!(Model {
    id,
    session_id,
    context_id,
    variant_id,
    started_at,
    started_at_text,
    total_time,
    user_time,
    kernel_time,
    cpu_usage,
    memory_usage,
    passed
});

impl Model {
    /// Returns when the test began.
    pub fn started_at(&self) -> LocalDateTime {
        LocalDateTime::from_parts(self.started_at, self.started_at_text.clone())
    }
}

impl Model {
    /// Returns the value of `resource`.
    pub fn resource(&self, resource: Resource) -> f64 {
        match resource {
            Resource::TotalTime => self.total_time,
            Resource::UserTime => self.user_time,
            Resource::KernelTime => self.kernel_time,
            Resource::CpuUsage => self.cpu_usage,
            Resource::MemoryUsage => self.memory_usage,
        }
    }
}

/// All that a metric says, without its key. Equal contents are told apart by nothing but their number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Content {
    keys: [i64; 3],
    started_at: (i64, Option<String>),
    values: [u64; 5],
    passed: Option<bool>,
}

impl Model {
    /// Returns all that it says, without its key.
    pub fn content(&self) -> Content {
        Content {
            keys: [self.session_id, self.context_id, self.variant_id],
            started_at: (self.started_at, self.started_at_text.clone()),
            // Both zeros are equal, and SQLite stores one of them.
            values: Resource::ALL.map(|resource| (self.resource(resource) + 0.0).to_bits()),
            passed: self.passed,
        }
    }
}

plain_entity!();

/// The filter of metrics.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// The hash of the session, announced or not.
    pub session: Option<Text>,
    /// The hash of the execution context, announced or not.
    pub context: Option<Text>,
    /// The filter of the variant.
    pub variant: variant::Filter,
    /// The revision of the session.
    pub scm_ref: Option<Text>,
    /// The pipeline of the session.
    pub pipeline: Option<Text>,
    /// The build of the session.
    pub build: Option<Text>,
    /// The project of the session.
    pub project: Option<Text>,
    /// The branch of the session.
    pub branch: Option<Text>,
    /// The key of the run of the session.
    pub run: Option<Number<i64>>,
    /// When the session began, in microseconds.
    pub run_date: Option<Number<i64>>,
    /// Tags that the session must have.
    pub tagged_all: Vec<session::Tagged>,
    /// Tags of which the session must have at least one, unless the list is empty.
    pub tagged_any: Vec<session::Tagged>,
    /// The network name of the machine.
    pub machine: Option<Text>,
    /// The key of the machine class.
    pub machine_class: Option<Number<i64>>,
    /// When the test began, in microseconds.
    pub started_at: Option<Number<i64>>,
    /// The wall time, in seconds.
    pub total_time: Option<Number<f64>>,
    /// The processor time in user space, in seconds.
    pub user_time: Option<Number<f64>>,
    /// The processor time in the kernel, in seconds.
    pub kernel_time: Option<Number<f64>>,
    /// Processor time divided by wall time.
    pub cpu_usage: Option<Number<f64>>,
    /// The memory, in MB.
    pub memory_usage: Option<Number<f64>>,
    /// Whether the test passed.
    pub passed: Option<bool>,
}

/// The sort orders of metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Sort {
    /// The order of insertion.
    #[default]
    Inserted,
    /// When the test began.
    StartedAt,
}

impl Filter {
    /// Returns the filter of `resource`.
    pub(crate) fn resource(&self, resource: Resource) -> Option<&Number<f64>> {
        match resource {
            Resource::TotalTime => self.total_time.as_ref(),
            Resource::UserTime => self.user_time.as_ref(),
            Resource::KernelTime => self.kernel_time.as_ref(),
            Resource::CpuUsage => self.cpu_usage.as_ref(),
            Resource::MemoryUsage => self.memory_usage.as_ref(),
        }
    }

    /// Returns the conditions on the columns of the session as a filter of sessions.
    pub(crate) fn of_session(&self) -> session::Filter {
        session::Filter {
            scm_ref: self.scm_ref.clone(),
            pipeline: self.pipeline.clone(),
            build: self.build.clone(),
            project: self.project.clone(),
            branch: self.branch.clone(),
            run: self.run.clone(),
            run_date: self.run_date.clone(),
            tagged_all: self.tagged_all.clone(),
            tagged_any: self.tagged_any.clone(),
            ..session::Filter::default()
        }
    }

    /// Returns whether the metric with this row and these names matches; `None` if only the database can decide.
    pub fn matches(
        &self,
        row: &Model,
        names: &variant::VariantNames,
        session_hash: &str,
        context_hash: &str,
    ) -> Option<bool> {
        let Self {
            session,
            context,
            variant,
            scm_ref: _,
            pipeline: _,
            build: _,
            project: _,
            branch: _,
            run: _,
            run_date: _,
            tagged_all: _,
            tagged_any: _,
            machine,
            machine_class,
            started_at,
            total_time: _,
            user_time: _,
            kernel_time: _,
            cpu_usage: _,
            memory_usage: _,
            passed,
        } = self;
        let matches = |resource| self.resource(resource).is_none_or(|number| number.matches(&row.resource(resource)));
        let own = passed.is_none_or(|passed| row.passed == Some(passed))
            && started_at.as_ref().is_none_or(|number| number.matches(&row.started_at))
            && Resource::ALL.into_iter().all(matches);
        // Session and context may have been announced since, so only the database can decide.
        let is_of_any = self.of_session() == session::Filter::default() && machine.is_none() && machine_class.is_none();
        let of_session = if is_of_any { Some(true) } else { None };
        filter::all([
            Some(own),
            session.as_ref().map_or(Some(true), |text| text.matches(session_hash)),
            context.as_ref().map_or(Some(true), |text| text.matches(context_hash)),
            variant.matches(names),
            of_session,
        ])
    }
}

/// How metrics are found from another row: by their own reference to it, or by that to one of its children.
#[derive(Debug, Clone, Copy)]
pub enum Link {
    /// To their session.
    Session,
    /// To their execution context.
    Context,
    /// To their variant.
    Variant,
    /// To sessions.
    Sessions(Edge<session::Entity>),
    /// To execution contexts.
    Contexts(Edge<execution_context::Entity>),
    /// To variants.
    Variants(Edge<variant::Entity>),
}

impl Listable for Entity {
    type Filter = Filter;
    type Sort = Sort;
    type Link = Link;

    fn sort_key(sort: Sort, row: &Model) -> i64 {
        match sort {
            Sort::Inserted => row.id,
            Sort::StartedAt => row.started_at,
        }
    }

    fn id(row: &Model) -> i64 {
        row.id
    }
}

/// Returns the rows of these sessions with keys after `after`, in their order. Rows that are sealed may be gone.
///
/// # Errors
/// If the database fails.
pub async fn rows_after(db: &impl Source, sessions: &[i64], after: i64) -> Result<Vec<Model>, DbErr> {
    let query = Query::select()
        .columns(COLUMNS)
        .from(Entity)
        .and_where(column::of(Column::Id).gt(after))
        .and_where(db.engine().any_of(column::of(Column::SessionId), sessions))
        .order_by(Column::Id, sea_orm::sea_query::Order::Asc)
        .take();
    db.all(&query).await
}

/// Inserts `rows`.
///
/// # Errors
/// If the database fails.
pub async fn insert(tx: &Transaction<'_>, rows: &[Model]) -> Result<(), DbErr> {
    tx.insert_rows("metric_row", COLUMNS, &rows.iter().map(values).collect::<Vec<_>>()).await
}

const COLUMNS: [&str; 12] = [
    "id",
    "session_id",
    "context_id",
    "variant_id",
    "started_at",
    "started_at_text",
    "total_time",
    "user_time",
    "kernel_time",
    "cpu_usage",
    "memory_usage",
    "passed",
];

/// Returns the values of a row, in the order of [`COLUMNS`].
fn values(row: &Model) -> [Value; 12] {
    [
        row.id.into(),
        row.session_id.into(),
        row.context_id.into(),
        row.variant_id.into(),
        row.started_at.into(),
        row.started_at_text.clone().into(),
        row.total_time.into(),
        row.user_time.into(),
        row.kernel_time.into(),
        row.cpu_usage.into(),
        row.memory_usage.into(),
        row.passed.into(),
    ]
}
