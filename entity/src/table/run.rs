//! Runs: the sessions of one execution of a test suite. What sessions have in common that are of one run, the ingest decides.

use std::collections::HashMap;

use sea_orm::{
    DbErr, QueryOrder as _,
    entity::prelude::*,
    sea_query::{Condition, ExprTrait as _, Query},
};

use crate::{
    column,
    dialect::Engine,
    driver::{executor::Transaction, row::from_row, source::Source},
    filter::{Number, Text},
    list::{self, Link, Listable, SqlListable},
    table::{branch, build, plain_entity, project, session},
};

/// A row of `run`.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "run")]
pub struct Model {
    /// The key, which counts up in order of first sessions.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// By what its sessions were found: `tag`, `build` or `inferred`.
    pub kind: String,
    /// The digest of what its sessions have in common.
    pub digest: Vec<u8>,
    /// The run date of the session that came first, in microseconds.
    pub founded: i64,
    /// The key of the project.
    pub project_id: i64,
    /// The key of the pipeline of the session that came first; null if it has none.
    pub pipeline_id: Option<i64>,
    /// The key of the build of the session that came first; null if it has no number.
    pub build_id: Option<i64>,
    /// The key of the branch; null if no session names one.
    pub branch_id: Option<i64>,
    /// The revision under test; null if no session has one.
    pub scm_ref: Option<String>,
    /// The network name of the machine of an inferred run; null until the first metric.
    pub machine: Option<String>,
    /// The earliest run date of its sessions, in microseconds: of those with metrics, if there are any.
    pub run_date: i64,
    /// Number of sessions.
    pub session_count: i64,
    /// Number of sessions with metrics.
    pub measured_count: i64,
}

from_row!(Model {
    id,
    kind,
    digest,
    founded,
    project_id,
    pipeline_id,
    build_id,
    branch_id,
    scm_ref,
    machine,
    run_date,
    session_count,
    measured_count
});

plain_entity!();

/// By what the sessions of a run were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// They have the tag `run_id`, with one value.
    Tag,
    /// They are of one numbered build.
    Build,
    /// They have one revision, the same tags and one machine, and began at about the same time.
    Inferred,
}

impl Kind {
    /// Returns how the table spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tag => "tag",
            Self::Build => "build",
            Self::Inferred => "inferred",
        }
    }
}

impl Model {
    /// Returns by what its sessions were found.
    pub fn kind(&self) -> Kind {
        [Kind::Tag, Kind::Build].into_iter().find(|kind| kind.as_str() == self.kind).unwrap_or(Kind::Inferred)
    }
}

/// The filter of runs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// The name of the project.
    pub project: Option<Text>,
    /// The name of the pipeline.
    pub pipeline: Option<Text>,
    /// The name of the build.
    pub build: Option<Text>,
    /// The name of the branch.
    pub branch: Option<Text>,
    /// The revision.
    pub scm_ref: Option<Text>,
    /// The earliest run date, in microseconds.
    pub run_date: Option<Number<i64>>,
    /// What at least one of its sessions must match.
    pub session: session::Filter,
}

/// The sort orders of runs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Sort {
    /// The earliest run date.
    #[default]
    RunDate,
    /// The session that came first.
    FirstSeen,
}

impl Listable for Entity {
    type Filter = Filter;
    type Sort = Sort;
    type Link = Link;

    fn sort_key(sort: Sort, row: &Model) -> i64 {
        match sort {
            Sort::RunDate => row.run_date,
            Sort::FirstSeen => row.id,
        }
    }

    fn id(row: &Model) -> i64 {
        row.id
    }
}

impl SqlListable for Entity {
    fn condition(filter: &Filter, engine: Engine) -> Condition {
        let Filter { project, pipeline, build, branch, scm_ref, run_date, session } = filter;
        let of_build = build.as_ref().map(|text| {
            let builds = Query::select()
                .column(build::Column::Id)
                .from(build::Entity)
                .cond_where(text.on(column::of(build::Column::Name), engine))
                .take();
            column::of(Column::BuildId).in_subquery(builds)
        });
        let of_session = (*session != session::Filter::default()).then(|| {
            let sessions = Query::select()
                .column(session::Column::RunId)
                .from(session::Entity)
                .cond_where(list::condition::<session::Entity>(&session.clone().into(), engine))
                .take();
            column::of(Column::Id).in_subquery(sessions)
        });
        Condition::all()
            .add_option(project.as_ref().map(|text| project::is_named(Column::ProjectId, text, engine)))
            .add_option(pipeline.as_ref().map(|text| build::is_of_pipeline(Column::PipelineId, text, engine)))
            .add_option(of_build)
            .add_option(branch.as_ref().map(|text| branch::is_named(Column::BranchId, text, engine)))
            .add_option(scm_ref.as_ref().map(|text| text.on(column::of(Column::ScmRef), engine)))
            .add_option(run_date.as_ref().map(|number| number.on(column::of(Column::RunDate))))
            .add_option(of_session)
    }

    fn sort_column(sort: Sort) -> Option<Column> {
        match sort {
            Sort::RunDate => Some(Column::RunDate),
            Sort::FirstSeen => None,
        }
    }
}

const COLUMNS: [&str; 13] = [
    "id",
    "kind",
    "digest",
    "founded",
    "project_id",
    "pipeline_id",
    "build_id",
    "branch_id",
    "scm_ref",
    "machine",
    "run_date",
    "session_count",
    "measured_count",
];

/// Inserts `rows`.
///
/// # Errors
/// If the database fails.
pub async fn insert(tx: &Transaction<'_>, rows: &[Model]) -> Result<(), DbErr> {
    let values = |row: &Model| -> [Value; 13] {
        [
            row.id.into(),
            row.kind.clone().into(),
            row.digest.clone().into(),
            row.founded.into(),
            row.project_id.into(),
            row.pipeline_id.into(),
            row.build_id.into(),
            row.branch_id.into(),
            row.scm_ref.clone().into(),
            row.machine.clone().into(),
            row.run_date.into(),
            row.session_count.into(),
            row.measured_count.into(),
        ]
    };
    tx.insert_rows("run", COLUMNS, &rows.iter().map(values).collect::<Vec<_>>()).await
}

const UPDATE: &str = "UPDATE run SET branch_id = $2, scm_ref = $3, machine = $4, run_date = $5, session_count = $6, \
    measured_count = $7 WHERE id = $1";

/// Stores what sessions that join change of runs.
///
/// # Errors
/// If the database fails.
pub async fn update(tx: &Transaction<'_>, rows: &[&Model]) -> Result<(), DbErr> {
    let values = |row: &&Model| -> [Value; 7] {
        [
            row.id.into(),
            row.branch_id.into(),
            row.scm_ref.clone().into(),
            row.machine.clone().into(),
            row.run_date.into(),
            row.session_count.into(),
            row.measured_count.into(),
        ]
    };
    tx.run_each(UPDATE, &rows.iter().map(values).collect::<Vec<_>>()).await
}

/// Returns the runs with one of these digests. Of those that are inferred, only those that were founded in this period.
///
/// # Errors
/// If the database fails.
pub async fn by_digests(
    db: &impl Source,
    digests: impl IntoIterator<Item = Vec<u8>>,
    founded: (i64, i64),
) -> Result<Vec<Model>, DbErr> {
    let is_named = column::of(Column::Kind).ne(Kind::Inferred.as_str());
    let is_close = column::of(Column::Founded).between(founded.0, founded.1);
    let query = Entity::find()
        .filter(column::of(Column::Digest).is_in(digests))
        .filter(Condition::any().add(is_named).add(is_close))
        .order_by_asc(Column::Id);
    db.find(query).await
}

/// The key of the run before `run`.
const PREVIOUS: &str = "(SELECT earlier.id FROM run AS earlier WHERE earlier.project_id = run.project_id \
    AND COALESCE(earlier.pipeline_id, 0) = COALESCE(run.pipeline_id, 0) \
    AND COALESCE(earlier.branch_id, 0) = COALESCE(run.branch_id, 0) \
    AND (earlier.run_date, earlier.id) < (run.run_date, run.id) \
    ORDER BY earlier.run_date DESC, earlier.id DESC LIMIT 1)";

/// Returns the keys of the runs before these, by run date, in the same project, pipeline and branch. Those that are first are
/// absent.
///
/// # Errors
/// If the database fails.
pub async fn previous(db: &impl Source, runs: &[i64]) -> Result<HashMap<i64, i64>, DbErr> {
    let query = Query::select()
        .expr(column::of(Column::Id))
        .expr(Expr::cust(PREVIOUS))
        .from(Entity)
        .and_where(db.engine().any_of(column::of(Column::Id), runs))
        .take();
    let rows = db.all::<(i64, Option<i64>)>(&query).await?;
    Ok(rows.into_iter().filter_map(|(run, before)| Some((run, before?))).collect())
}
