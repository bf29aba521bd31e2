//! Filter and order of sessions.

use async_graphql::{Enum, InputObject};
use entity::{filter::Text, list, table::session as row};

use crate::{
    error::Error,
    graphql::{
        limits::MAX_FILTER_TAGS,
        lists::filter::{Connectives, DateTimeFilter, Direction, StringFilter, Where, check},
        schema::global_id::IdFilter,
    },
};

/// Filter for sessions. All given conditions must match.
#[derive(Debug, Clone, Default, InputObject)]
pub struct SessionWhere {
    /// All of these filters must match.
    and: Option<Vec<SessionWhere>>,
    /// At least one of these filters must match.
    or: Option<Vec<SessionWhere>>,
    /// This filter must not match.
    not: Option<Box<SessionWhere>>,
    /// Filter by hash.
    hash: Option<StringFilter>,
    /// The revision under test, as the version control system names it.
    scm_ref: Option<StringFilter>,
    /// Filter by the name of the pipeline.
    pipeline: Option<StringFilter>,
    /// Filter by the name of the build.
    build: Option<StringFilter>,
    /// Filter by the name of the project.
    project: Option<StringFilter>,
    /// Filter by the name of the branch.
    branch: Option<StringFilter>,
    /// Filter by the run.
    run: Option<IdFilter>,
    /// Network name of a machine with metrics of the session.
    machine: Option<StringFilter>,
    /// Class of a machine with metrics of the session.
    machine_class: Option<IdFilter>,
    /// Start time of the run, on the clock of its machine.
    run_date: Option<DateTimeFilter>,
    /// Filter by tags.
    tagged: Option<TaggedFilter>,
}

/// Filter for the tags of a session.
#[derive(Debug, Clone, InputObject)]
pub struct TaggedFilter {
    /// Names of the tags, at most 100. If empty, every session matches.
    names: Option<Vec<String>>,
    /// Values, paired with the names by position. An empty or missing value matches any value except the empty text.
    values: Option<Vec<String>>,
    /// Whether one matching tag is enough, or all must match.
    #[graphql(default)]
    method: Match,
}

/// How several conditions are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum)]
pub enum Match {
    /// At least one must match.
    #[default]
    MatchAny,
    /// All must match.
    MatchAll,
}

/// Tags that must all match, and tags of which one must match.
type Tagged = (Vec<row::Tagged>, Vec<row::Tagged>);

/// Splits the tags of a filter, if there is one.
pub fn split_tags(tagged: Option<TaggedFilter>) -> Result<Tagged, Error> {
    Ok(tagged.map(TaggedFilter::split).transpose()?.unwrap_or_default())
}

impl TaggedFilter {
    /// Splits the tags into those that must all match, and those of which one must match.
    fn split(self) -> Result<Tagged, Error> {
        let Self { names, values, method } = self;
        if names.as_ref().is_some_and(|names| names.len() > MAX_FILTER_TAGS) {
            return Err(Error::bad_input(format!("where.tagged.names: at most {MAX_FILTER_TAGS} tags at a time")));
        }
        let values = values.unwrap_or_default().into_iter().map(Some).chain(std::iter::repeat(None));
        let pairs = names.unwrap_or_default().into_iter().zip(values);
        let tagged =
            pairs.map(|(name, value)| row::Tagged { name, value: value.filter(|text| !text.is_empty()) }).collect();
        match method {
            Match::MatchAny => Ok((Vec::new(), tagged)),
            Match::MatchAll => Ok((tagged, Vec::new())),
        }
    }
}

impl Where for SessionWhere {
    type Filter = row::Filter;

    fn split(self) -> Result<(row::Filter, Connectives<Self>), Error> {
        let Self {
            and,
            or,
            not,
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
            tagged,
        } = self;
        let (tagged_all, tagged_any) = split_tags(tagged)?;
        let class = machine_class.map(|class| class.check("MachineClass", "where.machineClass"));
        let own = row::Filter {
            hash: check!(hash, "hash"),
            scm_ref: check!(scm_ref, "scmRef"),
            pipeline: check!(pipeline, "pipeline"),
            build: check!(build, "build"),
            project: check!(project, "project").filter(|project| *project != Text::default()),
            branch: check!(branch, "branch"),
            run: run.map(|run| run.check("Run", "where.run")).transpose()?.flatten(),
            machine: check!(machine, "machine"),
            machine_class: class.transpose()?.flatten(),
            run_date: check!(run_date, "runDate"),
            tagged_all,
            tagged_any,
        };
        Ok((own, Connectives { and, or, not }))
    }
}

/// Sort keys of sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum SessionOrderField {
    /// When the session was announced. Metrics that refer to it may have arrived earlier.
    Announced,
    /// Start time of the run, on the clock of its machine.
    RunDate,
}

/// Sort order of sessions.
#[derive(Debug, Clone, Copy, InputObject)]
pub struct SessionOrder {
    /// The sort key.
    by: SessionOrderField,
    /// The sort direction.
    #[graphql(default)]
    direction: Direction,
}

impl From<SessionOrder> for list::Order<row::Sort> {
    fn from(SessionOrder { by, direction }: SessionOrder) -> Self {
        direction.order(match by {
            SessionOrderField::Announced => row::Sort::Announced,
            SessionOrderField::RunDate => row::Sort::RunDate,
        })
    }
}
