//! Sessions: one pytest run each, or one worker of a parallel run. A metric may refer to a session before it is announced; until
//! then its row has only the hash and the counter.

use std::collections::HashMap;

use sea_orm::{
    DbErr,
    entity::prelude::*,
    sea_query::{Condition, Expr, ExprTrait as _, Query},
};

use crate::{
    column,
    dialect::Engine,
    driver::{row::from_row, source::Source},
    filter::{self, Number, Text},
    list::{Link, Listable, SqlListable},
    table::{branch, build, execution_context, plain_entity, project, session_context, session_tag, tag},
    time::LocalDateTime,
};

/// A row of `session`.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "session")]
pub struct Model {
    /// The key.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The hash by which workers refer to it.
    pub hash: String,
    /// The announcement number, from 1 without gaps; null until announced.
    pub announced: Option<i64>,
    /// When the run began, in microseconds, see [`LocalDateTime`]; null until announced.
    pub run_date: Option<i64>,
    /// The text as it was sent, if it is not canonical.
    pub run_date_text: Option<String>,
    /// The revision under test.
    pub scm_ref: Option<String>,
    /// The key of the build; null if no tag names a pipeline.
    pub build_id: Option<i64>,
    /// Number of metrics, announced or not.
    pub metric_count: i64,
    /// The key of the project; null until announced.
    pub project_id: Option<i64>,
    /// The key of the branch; null if no tag names one.
    pub branch_id: Option<i64>,
    /// The key of the run; null until announced.
    pub run_id: Option<i64>,
    /// The network name of the machine of its first metric; null until it and its context have come.
    pub machine: Option<String>,
    /// When the server received its announcement, in microseconds since 1970 in UTC; null if it was announced to an older server.
    pub received_at: Option<i64>,
    /// When the server received the last of it, likewise.
    pub last_received_at: Option<i64>,
}

from_row!(Model {
    id,
    hash,
    announced,
    run_date,
    run_date_text,
    scm_ref,
    build_id,
    metric_count,
    project_id,
    branch_id,
    run_id,
    machine,
    received_at,
    last_received_at
});

impl Model {
    /// Returns when the run began; `None` until announced.
    pub fn run_date(&self) -> Option<LocalDateTime> {
        self.run_date.map(|micros| LocalDateTime::from_parts(micros, self.run_date_text.clone()))
    }
}

plain_entity!();

/// A tag that a session must have.
#[derive(Debug, Clone, PartialEq)]
pub struct Tagged {
    /// The tag's name.
    pub name: String,
    /// The tag's value; `None` is any value but the empty one.
    pub value: Option<String>,
}

/// The filter of sessions.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// The hash.
    pub hash: Option<Text>,
    /// The revision.
    pub scm_ref: Option<Text>,
    /// The name of the pipeline.
    pub pipeline: Option<Text>,
    /// The name of the build.
    pub build: Option<Text>,
    /// The name of the project.
    pub project: Option<Text>,
    /// The name of the branch.
    pub branch: Option<Text>,
    /// The key of the run.
    pub run: Option<Number<i64>>,
    /// The network name of a machine that it measured something on.
    pub machine: Option<Text>,
    /// The key of the class of such a machine.
    pub machine_class: Option<Number<i64>>,
    /// When the run began, in microseconds.
    pub run_date: Option<Number<i64>>,
    /// Tags that a session must have.
    pub tagged_all: Vec<Tagged>,
    /// Tags of which a session must have at least one, unless the list is empty.
    pub tagged_any: Vec<Tagged>,
}

/// The sort orders of sessions.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Sort {
    /// The order of announcement.
    #[default]
    Announced,
    /// When the run began.
    RunDate,
}

impl Filter {
    /// Returns whether a session matches; `None` if only the database can decide.
    pub fn matches(&self, row: &Model) -> Option<bool> {
        let Self { hash, scm_ref, run_date, .. } = self;
        let own = Self { hash: hash.clone(), scm_ref: scm_ref.clone(), run_date: run_date.clone(), ..Self::default() };
        let is_own = own == *self;
        let text = |filter: &Option<Text>, text: Option<&str>| {
            filter.as_ref().map_or(Some(true), |filter| text.map_or(Some(false), |text| filter.matches(text)))
        };
        let run_date = run_date.as_ref().is_none_or(|filter| row.run_date.is_some_and(|date| filter.matches(&date)));
        filter::all([
            Some(run_date),
            text(hash, Some(&row.hash)),
            text(scm_ref, row.scm_ref.as_deref()),
            is_own.then_some(true),
        ])
    }
}

/// Returns the condition that a session measured something on such a machine.
fn measured_on(machine: Option<&Text>, class: Option<&Number<i64>>, engine: Engine) -> Option<Expr> {
    if machine.is_none() && class.is_none() {
        return None;
    }
    let contexts = Query::select()
        .column(execution_context::Column::Id)
        .from(execution_context::Entity)
        .cond_where(execution_context::is_on(machine, class, engine))
        .take();
    let sessions = Query::select()
        .column(session_context::Column::SessionId)
        .from(session_context::Entity)
        .and_where(column::of(session_context::Column::ContextId).in_subquery(contexts))
        .take();
    Some(column::of(Column::Id).in_subquery(sessions))
}

/// Returns the condition that a session has a tag.
fn tagged(Tagged { name, value }: &Tagged) -> Expr {
    let value = match value {
        Some(value) => column::of(tag::Column::Value).eq(value),
        None => column::of(tag::Column::Value).ne(""),
    };
    let sessions = Query::select()
        .column((session_tag::Entity, session_tag::Column::SessionId))
        .from(session_tag::Entity)
        .inner_join(tag::Entity, column::of(tag::Column::Id).eq(column::of(session_tag::Column::TagId)))
        .and_where(column::of(tag::Column::Name).eq(name))
        .and_where(value)
        .take();
    column::of(Column::Id).in_subquery(sessions)
}

impl Listable for Entity {
    type Filter = Filter;
    type Sort = Sort;
    type Link = Link;

    fn sort_key(sort: Sort, row: &Model) -> i64 {
        match sort {
            Sort::Announced => row.announced,
            Sort::RunDate => row.run_date,
        }
        .unwrap_or_default()
    }

    fn id(row: &Model) -> i64 {
        row.id
    }
}

impl SqlListable for Entity {
    fn condition(filter: &Filter, engine: Engine) -> Condition {
        let Filter {
            hash,
            scm_ref,
            pipeline,
            build,
            project,
            branch,
            run,
            machine,
            machine_class,
            run_date,
            tagged_all,
            tagged_any,
        } = filter;
        let builds = (pipeline.is_some() || build.is_some()).then(|| {
            let of_build = column::of(build::Column::Name);
            let builds = Query::select()
                .column(build::Column::Id)
                .from(build::Entity)
                .cond_where(
                    Condition::all()
                        .add_option(
                            pipeline
                                .as_ref()
                                .map(|text| build::is_of_pipeline(build::Column::PipelineId, text, engine)),
                        )
                        .add_option(build.as_ref().map(|text| text.on(of_build, engine))),
                )
                .take();
            column::of(Column::BuildId).in_subquery(builds)
        });
        let any =
            (!tagged_any.is_empty()).then(|| tagged_any.iter().map(tagged).fold(Condition::any(), Condition::add));
        Condition::all()
            .add_option(hash.as_ref().map(|text| text.on_name::<Self>(Column::Hash, engine)))
            .add_option(scm_ref.as_ref().map(|text| text.on(column::of(Column::ScmRef), engine)))
            .add_option(builds)
            .add_option(project.as_ref().map(|text| project::is_named(Column::ProjectId, text, engine)))
            .add_option(branch.as_ref().map(|text| branch::is_named(Column::BranchId, text, engine)))
            .add_option(run.as_ref().map(|number| number.on(column::of(Column::RunId))))
            .add_option(measured_on(machine.as_ref(), machine_class.as_ref(), engine))
            .add_option(run_date.as_ref().map(|number| number.on(column::of(Column::RunDate))))
            .add_option(any)
            .add(tagged_all.iter().map(tagged).fold(Condition::all(), Condition::add))
    }

    fn listed() -> Condition {
        Condition::all().add(column::of(Column::Announced).is_not_null())
    }

    fn sort_column(sort: Sort) -> Option<Column> {
        Some(match sort {
            Sort::Announced => Column::Announced,
            Sort::RunDate => Column::RunDate,
        })
    }
}

/// Returns the keys of build and pipeline by session. Sessions without a build are absent.
pub async fn builds_of(db: &impl Source, sessions: &[i64]) -> Result<HashMap<i64, (i64, i64)>, DbErr> {
    let query = Query::select()
        .expr(column::of(Column::Id))
        .expr(column::of(build::Column::Id))
        .expr(column::of(build::Column::PipelineId))
        .from(Entity)
        .inner_join(build::Entity, column::of(build::Column::Id).eq(column::of(Column::BuildId)))
        .and_where(db.engine().any_of(column::of(Column::Id), sessions))
        .take();
    Ok(db.all::<(i64, (i64, i64))>(&query).await?.into_iter().collect())
}
