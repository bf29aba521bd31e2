//! The sides of a comparison: which sessions they are.

use sea_orm::{
    DbErr, Order,
    sea_query::{Condition, ExprTrait as _, Query},
};

use crate::{
    column,
    driver::source::Source as _,
    filter::{Number, Text, Tree},
    list::{self, SqlListable as _},
    query::Store,
    table::{metric, run, session},
};

/// What is chosen for a side.
#[derive(Debug, Clone, PartialEq)]
pub enum Selection {
    /// The run with this key.
    Run(i64),
    /// The session with this hash, announced or not.
    Session(String),
    /// The sessions of this revision.
    ScmRef(String),
    /// The latest runs with metrics that match, by run date.
    LatestRuns(Box<run::Filter>, u64),
    /// The sessions with this tag.
    Tag {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// The sessions that began in a period.
    Period {
        /// Its first moment, in microseconds.
        since: Option<i64>,
        /// The first moment after it, likewise.
        until: Option<i64>,
    },
}

impl Selection {
    /// Returns the names of the tags that it is chosen by.
    pub(super) fn tags(&self) -> Vec<String> {
        let names: Vec<&str> = match self {
            Self::Tag { name, .. } => vec![name],
            Self::LatestRuns(filter, _) => {
                let of_project = filter.project.iter().map(|_| "project");
                let of_pipeline = filter.pipeline.iter().map(|_| "pipeline_branch");
                of_project
                    .chain(of_pipeline)
                    .chain(filter.branch.iter().flat_map(|_| ["branch", "git_branch"]))
                    .collect()
            }
            _ => Vec::new(),
        };
        names.into_iter().map(str::to_owned).collect()
    }
}

/// A side of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Side {
    /// What is chosen.
    pub selection: Selection,
    /// What its metrics must match besides.
    pub filter: Option<Tree<metric::Filter>>,
}

/// A session of a side, with its run once it is announced.
pub(super) type SessionOfSide = (i64, Option<i64>);

/// Returns the keys of the latest runs that match.
async fn latest_runs(db: &Store, filter: &run::Filter, count: u64) -> Result<Vec<i64>, DbErr> {
    let query = Query::select()
        .expr(column::of(run::Column::Id))
        .from(run::Entity)
        .cond_where(run::Entity::condition(filter, db.engine()))
        .and_where(column::of(run::Column::MeasuredCount).gt(0))
        .order_by_expr(column::of(run::Column::RunDate), Order::Desc)
        .order_by_expr(column::of(run::Column::Id), Order::Desc)
        .limit(count)
        .take();
    db.all(&query).await
}

/// Returns the sessions that are chosen, in the order of their keys.
///
/// # Errors
/// If the database fails.
pub(super) async fn sessions(db: &Store, selection: &Selection) -> Result<Vec<SessionOfSide>, DbErr> {
    let engine = db.engine();
    let announced = |filter: session::Filter| list::condition::<session::Entity>(&filter.into(), engine);
    let of_runs = |runs: &[i64]| Condition::all().add(engine.any_of(column::of(session::Column::RunId), runs));
    let condition = match selection {
        Selection::Run(run) => of_runs(&[*run]),
        Selection::Session(hash) => {
            Text::equals(hash.as_str()).on_name::<session::Entity>(session::Column::Hash, engine)
        }
        Selection::ScmRef(scm_ref) => {
            announced(session::Filter { scm_ref: Some(Text::equals(scm_ref.as_str())), ..session::Filter::default() })
        }
        Selection::LatestRuns(filter, count) => of_runs(&latest_runs(db, filter, *count).await?),
        Selection::Tag { name, value } => {
            let tag = session::Tagged { name: name.clone(), value: Some(value.clone()) };
            announced(session::Filter { tagged_all: vec![tag], ..session::Filter::default() })
        }
        Selection::Period { since, until } => {
            let run_date = Number { gte: *since, lt: *until, ..Number::default() };
            announced(session::Filter { run_date: Some(run_date), ..session::Filter::default() })
        }
    };
    let query = Query::select()
        .expr(column::of(session::Column::Id))
        .expr(column::of(session::Column::RunId))
        .from(session::Entity)
        .cond_where(condition)
        .order_by_expr(column::of(session::Column::Id), Order::Asc)
        .take();
    db.all(&query).await
}
