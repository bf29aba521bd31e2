//! One measurement of one test: the narrow fact that everything else hangs on.

use sea_orm::{
    entity::prelude::*,
    sea_query::{Condition, Expr, ExprTrait as _, Query, SelectStatement},
};

use crate::{
    column,
    dialect::Engine,
    driver::row::from_row,
    filter::{self, Number, Text},
    list::{self, Noun},
    table::{execution_context, session, variant},
    time::LocalDateTime,
};

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "metric")]
pub struct Model {
    /// Counts up from 1 without gaps, in the order of insertion.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// The session.
    pub session_id: i64,
    /// The execution context.
    pub context_id: i64,
    /// The variant.
    pub variant_id: i64,
    /// Microseconds, see [`LocalDateTime`].
    pub started_at: i64,
    /// The spelling, where it is not canonical.
    pub started_at_text: Option<String>,
    /// Seconds.
    pub total_time: f64,
    /// Seconds.
    pub user_time: f64,
    /// Seconds.
    pub kernel_time: f64,
    /// A ratio: 1 is one processor kept busy.
    pub cpu_usage: f64,
    /// MB, negative where memory was given back.
    pub memory_usage: f64,
    /// Whether the test passed; null where that was not told.
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
    /// When the test began.
    pub fn started_at(&self) -> LocalDateTime {
        LocalDateTime::from_parts(self.started_at, self.started_at_text.clone())
    }
}

/// None: edges ([`crate::list::Edge`]) lead from row to row.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// What metrics can be narrowed by.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// The hash of the session, announced or not.
    pub session: Option<Text>,
    /// The hash of the execution context, announced or not.
    pub context: Option<Text>,
    /// What the variant must be.
    pub variant: variant::Filter,
    /// The revision of the session.
    pub scm_ref: Option<Text>,
    /// The pipeline of the session.
    pub pipeline: Option<Text>,
    /// The build of the session.
    pub build: Option<Text>,
    /// When the test began, in microseconds.
    pub started_at: Option<Number<i64>>,
    /// Seconds.
    pub total_time: Option<Number<f64>>,
    /// Seconds.
    pub user_time: Option<Number<f64>>,
    /// Seconds.
    pub kernel_time: Option<Number<f64>>,
    /// Ratio.
    pub cpu_usage: Option<Number<f64>>,
    /// MB.
    pub memory_usage: Option<Number<f64>>,
    /// Whether the test passed.
    pub passed: Option<bool>,
}

/// What metrics can be ordered by.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Sort {
    /// The order of insertion.
    #[default]
    Inserted,
    /// When the test began.
    StartedAt,
}

fn sessions(column: session::Column, condition: Condition) -> SelectStatement {
    Query::select().column(column).from(session::Entity).cond_where(condition).take()
}

impl Filter {
    /// What the session's own columns must be, as a filter of sessions.
    pub(crate) fn of_session(&self) -> session::Filter {
        session::Filter {
            scm_ref: self.scm_ref.clone(),
            pipeline: self.pipeline.clone(),
            build: self.build.clone(),
            ..session::Filter::default()
        }
    }

    /// Whether a metric matches, of which these are row and words; `None` where only the database can tell.
    pub fn matches(&self, row: &Model, words: &variant::Words, session_hash: &str, context_hash: &str) -> Option<bool> {
        let Self {
            session,
            context,
            variant,
            scm_ref,
            pipeline,
            build,
            started_at,
            total_time,
            user_time,
            kernel_time,
            cpu_usage,
            memory_usage,
            passed,
        } = self;
        let figures = [
            (total_time, row.total_time),
            (user_time, row.user_time),
            (kernel_time, row.kernel_time),
            (cpu_usage, row.cpu_usage),
            (memory_usage, row.memory_usage),
        ];
        let own = passed.is_none_or(|passed| row.passed == Some(passed))
            && started_at.as_ref().is_none_or(|number| number.matches(&row.started_at))
            && figures.iter().all(|(filter, figure)| filter.as_ref().is_none_or(|filter| filter.matches(figure)));
        // The session may have been announced since.
        let of_session = if [scm_ref, pipeline, build] == [&None; 3] { Some(true) } else { None };
        filter::all([
            Some(own),
            session.as_ref().map_or(Some(true), |text| text.matches(session_hash)),
            context.as_ref().map_or(Some(true), |text| text.matches(context_hash)),
            variant.matches(words),
            of_session,
        ])
    }
}

/// What `filter` sets, where `key` names the columns that lead to sessions and contexts.
fn condition(filter: &Filter, engine: Engine, key: impl Fn(Column) -> Expr) -> Condition {
    let Filter {
        session: hash,
        context,
        variant,
        scm_ref: _,
        pipeline: _,
        build: _,
        started_at,
        total_time,
        user_time,
        kernel_time,
        cpu_usage,
        memory_usage,
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
    let figures = [
        (total_time, Column::TotalTime),
        (user_time, Column::UserTime),
        (kernel_time, Column::KernelTime),
        (cpu_usage, Column::CpuUsage),
        (memory_usage, Column::MemoryUsage),
    ];
    let mut all = Condition::all()
        .add_option(of_hash)
        .add_option(of_session)
        .add_option(of_context)
        .add_option(of_variant)
        .add_option(started_at.as_ref().map(|number| number.on(column::of(Column::StartedAt))))
        .add_option(passed.map(|passed| column::of(Column::Passed).eq(passed)));
    for (figure, column) in figures {
        all = all.add_option(figure.as_ref().map(|number| number.on(column::of(column))));
    }
    all
}

impl Noun for Entity {
    type Filter = Filter;
    type Sort = Sort;

    fn condition(filter: &Filter, engine: Engine) -> Condition {
        condition(filter, engine, column::of)
    }

    fn condition_by_part(filter: &Filter, engine: Engine) -> Condition {
        let key = |column| {
            let column = column::of(column);
            // A sum is looked up in no index.
            if engine.has_parts() { column.add(0) } else { column }
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

    /// What one session measured is found through the session, other metrics of a variant through the variant.
    fn is_by_part(Filter { session, variant, .. }: &Filter) -> bool {
        *variant != variant::Filter::default() && !session.as_ref().is_some_and(Text::is_named)
    }
}
