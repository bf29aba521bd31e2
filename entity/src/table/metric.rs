//! Metrics: one measurement of one test each, with keys that refer to all other tables (a fact table).

use sea_orm::{
    entity::prelude::*,
    sea_query::{Condition, Expr, ExprTrait as _, Query, SelectStatement},
};

use crate::{
    column,
    dialect::Engine,
    driver::{executor::Transaction, row::from_row, source::Source as _},
    filter::{self, Number, Text},
    key_range,
    list::{self, Listable},
    resource::Resource,
    table::{execution_context, plain_entity, session, variant},
    time::LocalDateTime,
};

/// A row of `metric`.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "metric")]
pub struct Model {
    /// The key, from 1 without gaps in order of insertion.
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

/// Returns a query for `column` of the sessions that match.
fn sessions(column: session::Column, condition: Condition) -> SelectStatement {
    Query::select().column(column).from(session::Entity).cond_where(condition).take()
}

impl Filter {
    /// Returns the filter of `resource`.
    fn resource(&self, resource: Resource) -> Option<&Number<f64>> {
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
            scm_ref,
            pipeline,
            build,
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
        // The session may have been announced since, so only the database can decide.
        let of_session = if [scm_ref, pipeline, build] == [&None; 3] { Some(true) } else { None };
        filter::all([
            Some(own),
            session.as_ref().map_or(Some(true), |text| text.matches(session_hash)),
            context.as_ref().map_or(Some(true), |text| text.matches(context_hash)),
            variant.matches(names),
            of_session,
        ])
    }
}

/// Returns the condition of `filter`. `key` builds the expressions for the keys of sessions and contexts.
fn condition(filter: &Filter, engine: Engine, key: impl Fn(Column) -> Expr) -> Condition {
    let Filter {
        session: hash,
        context,
        variant,
        scm_ref: _,
        pipeline: _,
        build: _,
        started_at,
        total_time: _,
        user_time: _,
        kernel_time: _,
        cpu_usage: _,
        memory_usage: _,
        passed,
    } = filter;
    let of_hash = hash.as_ref().map(|text| {
        let condition = text.on_name::<session::Entity>(session::Column::Hash, engine);
        key(Column::SessionId).in_subquery(sessions(session::Column::Id, condition))
    });
    let of_session = filter.of_session();
    let of_session = (of_session != session::Filter::default()).then(|| {
        let condition = list::condition::<session::Entity>(&of_session.into(), engine);
        key(Column::SessionId).in_subquery(sessions(session::Column::Id, condition))
    });
    let of_context = context.as_ref().map(|text| {
        let contexts = Query::select()
            .column(execution_context::Column::Id)
            .from(execution_context::Entity)
            .cond_where(text.on_name::<execution_context::Entity>(execution_context::Column::Hash, engine))
            .take();
        key(Column::ContextId).in_subquery(contexts)
    });
    let of_variant = (*variant != variant::Filter::default()).then(|| {
        let variants = Query::select()
            .column(variant::Column::Id)
            .from(variant::Entity)
            .cond_where(variant::Entity::condition(variant, engine))
            .take();
        column::of(Column::VariantId).in_subquery(variants)
    });
    let mut all = Condition::all()
        .add_option(of_hash)
        .add_option(of_session)
        .add_option(of_context)
        .add_option(of_variant)
        .add_option(started_at.as_ref().map(|number| number.on(column::of(Column::StartedAt))))
        .add_option(passed.map(|passed| column::of(Column::Passed).eq(passed)));
    for resource in Resource::ALL {
        let column = Expr::col((Entity, resource.column()));
        all = all.add_option(filter.resource(resource).map(|number| number.on(column)));
    }
    all
}

/// Inserts `rows`, with their partitions if the engine has them.
pub async fn insert(tx: &Transaction<'_>, rows: &[Model]) -> Result<(), DbErr> {
    let values = rows.iter().map(values);
    if tx.engine().has_partitions() {
        return tx.insert_rows("metric", COLUMNS, &values.collect::<Vec<_>>()).await;
    }
    let [columns @ .., _] = COLUMNS;
    tx.insert_rows("metric", columns, &values.map(|[values @ .., _]| values).collect::<Vec<_>>()).await
}

const COLUMNS: [&str; 13] = [
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
    "part",
];

/// Returns the values of a row, in the order of [`COLUMNS`].
fn values(row: &Model) -> [Value; 13] {
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
        key_range::partition(row.id).into(),
    ]
}

impl Listable for Entity {
    type Filter = Filter;
    type Sort = Sort;

    fn condition(filter: &Filter, engine: Engine) -> Condition {
        condition(filter, engine, column::of)
    }

    fn condition_by_partition(filter: &Filter, engine: Engine) -> Condition {
        let key = |column| {
            let column = column::of(column);
            // No index is used for a sum.
            if engine.has_partitions() { column.add(0) } else { column }
        };
        condition(filter, engine, key)
    }

    fn sort_column(sort: Sort) -> Column {
        match sort {
            Sort::Inserted => Column::Id,
            Sort::StartedAt => Column::StartedAt,
        }
    }

    fn sort_key(sort: Sort, row: &Model) -> i64 {
        match sort {
            Sort::Inserted => row.id,
            Sort::StartedAt => row.started_at,
        }
    }

    fn id(row: &Model) -> i64 {
        row.id
    }

    /// The metrics of one session are read through the index by session, others of a variant through the index by variant.
    fn is_by_partition(Filter { session, variant, .. }: &Filter) -> bool {
        *variant != variant::Filter::default() && !session.as_ref().is_some_and(Text::is_enumerated)
    }
}
