//! The sides of a comparison.

use async_graphql::{Context, ID, InputObject, OneofObject};
use entity::{
    filter::{Text, Tree},
    query::comparison::{self, Side},
    table::{metric, run as run_row},
};

use crate::{
    error::Error,
    graphql::{
        limits::MAX_SELECTED_RUNS,
        lists::filter::Where,
        scalars::LocalDateTime,
        schema::{global_id::decode_id_of, metric_where::MetricWhere, run::Run},
    },
};

/// A side of a comparison: one of these.
#[derive(Debug, Clone, OneofObject)]
pub enum Selection {
    /// The run with this global ID.
    Run(ID),
    /// The session with this hash.
    Session(String),
    /// The sessions with this revision under test, exactly as the version control system names it.
    ScmRef(String),
    /// The latest runs.
    LatestRuns(LatestRuns),
    /// The sessions with a tag.
    Tag(TagSelection),
    /// The sessions that began in a period.
    Period(PeriodSelection),
}

/// The latest runs with metrics, by start time.
#[derive(Debug, Clone, InputObject)]
pub struct LatestRuns {
    /// Only those of the project with this name; the nameless one is `""`. Default: of any project.
    project: Option<String>,
    /// Only those of the pipeline with this name.
    pipeline: Option<String>,
    /// Only those of the branch with this name.
    branch: Option<String>,
    /// Number of runs, 1 to 500.
    #[graphql(default = 10)]
    count: i64,
}

/// The sessions with a tag.
#[derive(Debug, Clone, InputObject)]
pub struct TagSelection {
    /// Name of the tag.
    name: String,
    /// Value of the tag, exactly.
    value: String,
    /// Filter: only metrics that match.
    #[graphql(name = "where")]
    filter: Option<Box<MetricWhere>>,
}

/// The sessions that began in a period, on the clocks of their machines.
#[derive(Debug, Clone, InputObject)]
pub struct PeriodSelection {
    /// The first moment. Default: without a beginning.
    since: Option<LocalDateTime>,
    /// The first moment after the period. Default: without an end.
    until: Option<LocalDateTime>,
    /// Filter: only metrics that match.
    #[graphql(name = "where")]
    filter: Option<Box<MetricWhere>>,
}

/// Checks a filter. `field` names what it belongs to in the error.
fn check_filter(
    ctx: &Context<'_>,
    field: &str,
    filter: Option<Box<MetricWhere>>,
) -> Result<Option<Tree<metric::Filter>>, Error> {
    let checked = filter.map(|filter| filter.check(ctx)).transpose();
    checked.map_err(|error| Error { message: format!("{field}.{}", error.message), ..error })
}

impl LatestRuns {
    fn check(self, field: &str) -> Result<comparison::Selection, Error> {
        let Self { project, pipeline, branch, count } = self;
        let allowed = u64::try_from(count).ok().filter(|count| (1..=MAX_SELECTED_RUNS).contains(count));
        let count = allowed.ok_or_else(|| {
            Error::bad_input(format!("{field}.count: give a number from 1 to {MAX_SELECTED_RUNS}, not {count}"))
        })?;
        let filter = run_row::Filter {
            project: project.map(Text::equals),
            pipeline: pipeline.map(Text::equals),
            branch: branch.map(Text::equals),
            ..run_row::Filter::default()
        };
        Ok(comparison::Selection::LatestRuns(Box::new(filter), count))
    }
}

impl PeriodSelection {
    fn check(self, ctx: &Context<'_>, field: &str) -> Result<Side, Error> {
        let [since, until] = [self.since, self.until].map(|time| time.map(|time| time.0.micros));
        if since.is_none() && until.is_none() {
            return Err(Error::bad_input(format!("{field}: give since, until or both")));
        }
        if since.zip(until).is_some_and(|(since, until)| since >= until) {
            return Err(Error::bad_input(format!("{field}.until: give a time after since")));
        }
        let filter = check_filter(ctx, field, self.filter)?;
        Ok(Side { selection: comparison::Selection::Period { since, until }, filter })
    }
}

impl Selection {
    /// Checks the side that the argument `argument` gives. Returns it, and what to say if there are no such sessions.
    ///
    /// # Errors
    /// [`crate::error::Code::BadUserInput`] if a value is out of range.
    pub fn check(self, ctx: &Context<'_>, argument: &str) -> Result<(Side, String), Error> {
        let plain = |selection| Side { selection, filter: None };
        Ok(match self {
            Self::Run(id) => {
                let run = decode_id_of::<Run>(&format!("{argument}.run"), &id)?;
                let missing = "run: there is no such run any more: take the id of one that `runs` lists".to_owned();
                (plain(comparison::Selection::Run(run)), missing)
            }
            Self::Session(hash) => {
                let missing = format!("session: there is no session with the hash '{hash}': `sessions` lists them");
                (plain(comparison::Selection::Session(hash)), missing)
            }
            Self::ScmRef(scm_ref) => {
                let missing = format!(
                    "scmRef: no session has the revision '{scm_ref}': write it in full, as `sessions` lists it"
                );
                (plain(comparison::Selection::ScmRef(scm_ref)), missing)
            }
            Self::LatestRuns(runs) => {
                let selection = runs.check(&format!("{argument}.latestRuns"))?;
                let missing = "latestRuns: there is no run with metrics of this project, pipeline and branch: `runs`, `pipelines` \
                               and `branches` list what there is"
                    .to_owned();
                (plain(selection), missing)
            }
            Self::Tag(TagSelection { name, value, filter }) => {
                let filter = check_filter(ctx, &format!("{argument}.tag"), filter)?;
                let missing = format!(
                    "tag: no session has the tag '{name}' with the value '{value}': `tags` lists what there is"
                );
                (Side { selection: comparison::Selection::Tag { name, value }, filter }, missing)
            }
            Self::Period(period) => {
                let side = period.check(ctx, &format!("{argument}.period"))?;
                (side, "period: no session began in this period: choose a longer one".to_owned())
            }
        })
    }
}
