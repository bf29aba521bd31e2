//! Filter and order of runs.

use async_graphql::{Enum, InputObject};
use entity::{
    list,
    table::{run as row, session as session_row},
};

use crate::{
    error::Error,
    graphql::{
        lists::filter::{Connectives, DateTimeFilter, Direction, StringFilter, Where, check},
        schema::{
            global_id::IdFilter,
            session_where::{TaggedFilter, split_tags},
        },
    },
};

/// Filter for runs. All given conditions must match.
#[derive(Debug, Clone, Default, InputObject)]
pub struct RunWhere {
    /// All of these filters must match.
    and: Option<Vec<RunWhere>>,
    /// At least one of these filters must match.
    or: Option<Vec<RunWhere>>,
    /// This filter must not match.
    not: Option<Box<RunWhere>>,
    /// Filter by the name of the project.
    project: Option<StringFilter>,
    /// Filter by the name of the pipeline.
    pipeline: Option<StringFilter>,
    /// Filter by the name of the build.
    build: Option<StringFilter>,
    /// Filter by the name of the branch.
    branch: Option<StringFilter>,
    /// The revision under test, as the version control system names it.
    revision: Option<StringFilter>,
    /// Start time of the run, on the clock of its machine.
    start: Option<DateTimeFilter>,
    /// Network name of a machine with metrics of the run.
    machine: Option<StringFilter>,
    /// Class of a machine with metrics of the run.
    machine_class: Option<IdFilter>,
    /// Filter by tags of its sessions. One session must match.
    tagged: Option<TaggedFilter>,
}

impl Where for RunWhere {
    type Filter = row::Filter;

    fn split(self) -> Result<(row::Filter, Connectives<Self>), Error> {
        let (tagged_all, tagged_any) = split_tags(self.tagged)?;
        let class = self.machine_class.map(|class| class.check("MachineClass", "where.machineClass"));
        let session = session_row::Filter {
            machine: check!(self.machine, "machine"),
            machine_class: class.transpose()?.flatten(),
            tagged_all,
            tagged_any,
            ..session_row::Filter::default()
        };
        let own = row::Filter {
            project: check!(self.project, "project"),
            pipeline: check!(self.pipeline, "pipeline"),
            build: check!(self.build, "build"),
            branch: check!(self.branch, "branch"),
            scm_ref: check!(self.revision, "revision"),
            run_date: check!(self.start, "start"),
            session,
        };
        Ok((own, Connectives { and: self.and, or: self.or, not: self.not }))
    }
}

/// Sort keys of runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum RunOrderField {
    /// Start time of the run, on the clock of its machine.
    RunDate,
    /// When the first session of the run was announced.
    FirstSeen,
}

/// Sort order of runs.
#[derive(Debug, Clone, Copy, InputObject)]
pub struct RunOrder {
    /// The sort key.
    by: RunOrderField,
    /// The sort direction.
    #[graphql(default)]
    direction: Direction,
}

impl From<RunOrder> for list::Order<row::Sort> {
    fn from(RunOrder { by, direction }: RunOrder) -> Self {
        direction.order(match by {
            RunOrderField::RunDate => row::Sort::RunDate,
            RunOrderField::FirstSeen => row::Sort::FirstSeen,
        })
    }
}
