//! Builds of pipelines, named by the session tag `pipeline_build_no`. The build with the empty name collects the sessions of a
//! pipeline without a build number; it is not listed.

use sea_orm::{
    entity::prelude::*,
    sea_query::{Condition, Expr, ExprTrait as _, IntoColumnRef as _, Query},
};

use crate::{
    column,
    dialect::Engine,
    driver::row::from_row,
    filter::{Number, Text, Tree},
    list::{self, SqlListable},
    table::{in_order_of_latest_run, pipeline, plain_entity, project},
};

/// A row of `build`.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "build")]
pub struct Model {
    /// The key, which counts up in order of first sessions.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The key of the pipeline.
    pub pipeline_id: i64,
    /// The value of the tag.
    pub name: String,
    /// The run date of its latest run, in microseconds; that of the latest session if all of them are in runs of other builds. None
    /// for the build with the empty name.
    pub last_run_date: Option<i64>,
}

from_row!(Model { id, pipeline_id, name, last_run_date });

plain_entity!();

/// The filter of builds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// The name of the build.
    pub name: Option<Text>,
    /// The name of its pipeline.
    pub pipeline: Option<Text>,
    /// The name of its project.
    pub project: Option<Text>,
    /// The run date of the latest run, in microseconds.
    pub last_run_date: Option<Number<i64>>,
    /// Of builds of one name in pipelines of one name that match this, only the first.
    pub first_of_name: Option<Box<Tree<Filter>>>,
}

impl Filter {
    /// Whether it has conditions of names of builds and pipelines alone, which namesakes meet alike.
    fn is_of_names(&self) -> bool {
        self.project.is_none() && self.last_run_date.is_none()
    }
}

fn is_of_names(filter: &Tree<Filter>) -> bool {
    let Tree { own, and, or, not } = filter;
    own.is_of_names() && and.iter().chain(or.iter().flatten()).chain(not.as_deref()).all(is_of_names)
}

/// Returns the condition that a build is the first of its name in pipelines of one name among those that match `filter`.
fn is_first_of_name(filter: &Tree<Filter>, engine: Engine) -> Expr {
    if is_of_names(filter) {
        return Expr::cust(IS_FIRST_OF_NAME);
    }
    let first = Query::select()
        .expr(column::of(Column::Id).min())
        .from(Entity)
        .inner_join(pipeline::Entity, column::of(pipeline::Column::Id).eq(column::of(Column::PipelineId)))
        .cond_where(list::condition::<Entity>(filter, engine))
        .group_by_columns([
            (Entity, Column::Name).into_column_ref(),
            (pipeline::Entity, pipeline::Column::Name).into_column_ref(),
        ])
        .take();
    column::of(Column::Id).in_subquery(first)
}

/// Returns the condition that `pipeline`, a key, is that of a pipeline whose name matches.
pub(crate) fn is_of_pipeline(pipeline: impl ColumnTrait, name: &Text, engine: Engine) -> Expr {
    column::of(pipeline).in_subquery(pipeline::named(name, engine))
}

/// Returns the condition that `pipeline`, a key, is that of a pipeline of a project whose name matches.
pub(crate) fn is_of_project(pipeline: impl ColumnTrait, name: &Text, engine: Engine) -> Expr {
    let pipelines = Query::select()
        .column(pipeline::Column::Id)
        .from(pipeline::Entity)
        .and_where(project::is_named(pipeline::Column::ProjectId, name, engine))
        .take();
    column::of(pipeline).in_subquery(pipelines)
}

/// No pipeline of the same name has had a build of this name before.
const IS_FIRST_OF_NAME: &str = "NOT EXISTS (SELECT 1 FROM build AS other \
    JOIN pipeline AS theirs ON theirs.id = other.pipeline_id JOIN pipeline AS ours ON ours.id = build.pipeline_id \
    WHERE other.name = build.name AND other.id < build.id AND theirs.name = ours.name)";

in_order_of_latest_run!(Filter, default: FirstSeen);

impl SqlListable for Entity {
    fn condition(filter: &Filter, engine: Engine) -> Condition {
        let Filter { name, pipeline, project, last_run_date, first_of_name } = filter;
        Condition::all()
            .add_option(name.as_ref().map(|text| text.on(column::of(Column::Name), engine)))
            .add_option(pipeline.as_ref().map(|text| is_of_pipeline(Column::PipelineId, text, engine)))
            .add_option(project.as_ref().map(|text| is_of_project(Column::PipelineId, text, engine)))
            .add_option(last_run_date.as_ref().map(|number| number.on(column::of(Column::LastRunDate))))
            .add_option(first_of_name.as_deref().map(|filter| is_first_of_name(filter, engine)))
    }

    fn sort_column(sort: Sort) -> Option<Column> {
        sort.column()
    }

    fn listed() -> Condition {
        // Not bound, so that the partial index with this condition is used.
        Condition::all().add(column::of(Column::Name).ne(Expr::cust("''")))
    }
}
