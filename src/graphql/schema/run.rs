//! Runs: the sessions of one execution of a test suite.

use async_graphql::{Context, Enum, ID, OneofObject, SimpleObject};
use entity::{
    edges,
    filter::{Text, Tree},
    list::{self, Listable, Order, Slice},
    query::{Query as _, runs::Changes},
    run::build_named,
    table::{
        branch as branch_row, build as build_row, execution_context as context_row, machine_class as class_row,
        metric as metric_row, pipeline as pipeline_row, project as project_row,
        run::{self as row, Kind},
        session as session_row, variant as variant_row,
    },
    time,
};
use futures_util::future::BoxFuture;

use crate::{
    error::Error,
    graphql::{
        error::FieldResult,
        lists::{
            connection::Parent,
            dataloader::loaders_of,
            listed::{Exposed, Listed},
            loader_keys::{RowById, load_row},
            object::graph_object,
            page::charge_names,
            run_loader_keys::{PreviousRun, RunChanges, RunMachines, RunTests, RunTimes, RunTotals},
        },
        scalars::{DateTime, Int, LocalDateTime},
        schema::{
            branch::Branch,
            build::{Build, BuildName},
            global_id::{decode_id_of, find, global_id},
            pipeline::Pipeline,
            project::Project,
            run_where::{RunOrder, RunWhere},
            statistics,
        },
        state::state_of,
    },
};

/// How long nothing of a run may have come before it counts as complete, in microseconds.
const QUIET: i64 = 120_000_000;

/// A stored run.
pub struct Run(pub row::Model);

impl Exposed for row::Entity {
    type Object = Run;
}

impl Listed for Run {
    type Entity = row::Entity;
    type Where = RunWhere;
    type OrderBy = RunOrder;

    async fn from_rows(_: &Context<'_>, rows: Vec<row::Model>) -> Result<Vec<Self>, Error> {
        Ok(rows.into_iter().map(Self).collect())
    }

    async fn count(ctx: &Context<'_>, filter: &Tree<row::Filter>) -> Result<u64, Error> {
        Ok(list::count::<row::Entity>(&state_of(ctx).database.store, filter).await?)
    }
}

/// By what the sessions of a run were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum RunGrouping {
    /// The tag `run_id`: sessions of one project with the same value.
    Tag,
    /// The tags `pipeline_branch` and `pipeline_build_no`: sessions of one build with a number.
    Build,
    /// Sessions of one project with the same revision and tags and on one machine, whose run dates are at most 120 seconds
    /// from that of the one announced first. A session that has not measured anything yet may be on any machine.
    Inferred,
    /// Nothing: the session is alone.
    Session,
}

/// How long a run took.
#[derive(Debug, SimpleObject)]
pub struct RunDuration {
    /// From the earliest run date of its sessions with metrics to the end of the test that ended last, in seconds, on the
    /// clocks of its machines. Null without metrics. Tests that change the clock distort it.
    wall: Option<f64>,
    /// Sum of the total times of its metrics, in seconds. Sessions that ran side by side add up.
    summed: f64,
}

#[expect(clippy::cast_precision_loss, reason = "doubles hold microseconds of 285 years")]
fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}

graph_object! {
    /// One execution of a test suite: the sessions with the same tag `run_id`; else those of one numbered build; else those
    /// that are alike and began at about the same time; else one session. With pytest-xdist, the workers of a run are
    /// one run; the controller, which measures nothing, is part of it and adds nothing to its figures. A session moves
    /// to another run if its first metric shows that it is on another machine.
    impl Run {
        scalars {
            /// Global ID of the run.
            fn id(&self) -> ID {
                global_id::<Self>(self.0.id)
            }

            /// The earliest start time of its sessions, on the clock of its machine; of those with metrics, once there are any.
            fn start(&self) -> LocalDateTime {
                LocalDateTime(time::LocalDateTime::from_parts(self.0.run_date, None))
            }

            /// The revision under test: that of the first session that has one. Null if none was sent.
            fn revision(&self) -> Option<&str> {
                self.0.scm_ref.as_deref()
            }
        }

        /// By what its sessions were found.
        async fn grouping(&self) -> RunGrouping {
            match self.0.kind() {
                Kind::Tag => RunGrouping::Tag,
                Kind::Build => RunGrouping::Build,
                Kind::Inferred if self.0.session_count > 1 => RunGrouping::Inferred,
                Kind::Inferred => RunGrouping::Session,
            }
        }

        /// The project of the run.
        async fn project(&self, ctx: &Context<'_>) -> FieldResult<Project> {
            load_row::<project_row::Entity>(ctx, self.0.project_id).await.map(Project)
        }

        /// The pipeline of the session that came first. Null if it has none.
        async fn pipeline(&self, ctx: &Context<'_>) -> Option<FieldResult<Pipeline>> {
            Some(load_row::<pipeline_row::Entity>(ctx, self.0.pipeline_id?).await.map(Pipeline))
        }

        /// The build of the session that came first. Null if it has no build number.
        async fn build(&self, ctx: &Context<'_>) -> Option<FieldResult<Build>> {
            Some(load_row::<build_row::Entity>(ctx, self.0.build_id?).await.map(Build))
        }

        /// The branch: that of the first session that names one. Null if none does.
        async fn branch(&self, ctx: &Context<'_>) -> Option<FieldResult<Branch>> {
            Some(load_row::<branch_row::Entity>(ctx, self.0.branch_id?).await.map(Branch))
        }

        /// Number of distinct tests (variants) with metrics.
        async fn tests(&self, ctx: &Context<'_>) -> FieldResult<Int> {
            Ok(loaders_of(ctx).load(RunTests(self.0.id)).await?.unwrap_or_default().into())
        }

        /// Number of metrics recorded in it.
        async fn metric_count(&self, ctx: &Context<'_>) -> FieldResult<Int> {
            Ok(loaders_of(ctx).load(RunTotals(self.0.id)).await?.unwrap_or_default().metric_count.into())
        }

        /// When the server received the first of it, on the server's clock. Null if that was before the server knew runs.
        async fn received_at(&self, ctx: &Context<'_>) -> Option<FieldResult<DateTime>> {
            let totals = loaders_of(ctx).load(RunTotals(self.0.id)).await;
            totals.map(|totals| totals?.received_at.map(DateTime)).map_err(Into::into).transpose()
        }

        /// How long it took.
        async fn duration(&self, ctx: &Context<'_>) -> FieldResult<RunDuration> {
            let times = loaders_of(ctx).load(RunTimes(self.0.id)).await?.unwrap_or_default();
            Ok(RunDuration { wall: times.wall.map(seconds), summed: times.summed })
        }

        /// Network names of the machines with metrics, in alphabetical order. For the query cost this list counts as one
        /// value.
        async fn machines(&self, ctx: &Context<'_>) -> FieldResult<Vec<String>> {
            let machines = loaders_of(ctx).load(RunMachines(self.0.id)).await?.unwrap_or_default();
            let machines: Vec<String> = machines.into_iter().collect();
            charge_names(ctx, &machines)?;
            Ok(machines)
        }

        /// The run before it by start time, in the same project, pipeline and branch (or also without). Null if it is the
        /// first.
        async fn previous(&self, ctx: &Context<'_>) -> Option<FieldResult<Run>> {
            previous(ctx, self.0.id).await.transpose()
        }

        /// Whether nothing more is expected: true once the server has received nothing of the run for 120 seconds. If more
        /// comes later, it is false again for as long.
        async fn is_complete(&self, ctx: &Context<'_>) -> FieldResult<bool> {
            let totals = loaders_of(ctx).load(RunTotals(self.0.id)).await?.unwrap_or_default();
            Ok(totals.last_received_at.is_none_or(|last| time::now().saturating_sub(last) >= QUIET))
        }
    }
    ranking {
        /// The metrics recorded in the run that used most (or least) of a resource. The most extreme comes first; ties are in the order
        /// recorded.
        top_metrics = |run| Parent::Row(edges::METRICS_OF_RUN, run.0.id);
    }
    stats statistics { |run| (edges::METRICS_OF_RUN, run.0.id) }
    /// The sessions of the run, including those without metrics.
    list sessions: session_row::Entity = |run| Parent::Row(edges::SESSIONS_OF_RUN, run.0.id);
    /// The execution contexts with metrics of the run.
    list contexts: context_row::Entity = |run| Parent::Row(edges::CONTEXTS_OF_RUN, run.0.id);
    /// The classes of the machines with metrics of the run.
    list machine_classes: class_row::Entity = |run| Parent::Row(edges::MACHINE_CLASSES_OF_RUN, run.0.id);
    /// The metrics recorded in the run.
    list metrics: metric_row::Entity = |run| Parent::Row(edges::METRICS_OF_RUN, run.0.id);
    /// The tests with metrics in this run and none in the previous one. Empty without a previous run.
    list appeared: variant_row::Entity = |run| Parent::Computed(appeared, run.0.id);
    /// The tests with metrics in the previous run and none in this one. Empty without a previous run.
    list vanished: variant_row::Entity = |run| Parent::Computed(vanished, run.0.id);
}

async fn previous(ctx: &Context<'_>, run: i64) -> FieldResult<Option<Run>> {
    let Some(previous) = loaders_of(ctx).load(PreviousRun(run)).await? else { return Ok(None) };
    Ok(loaders_of(ctx).load(RowById::<row::Entity>::new(previous)).await?.map(Run))
}

/// Returns what changed since the previous run.
async fn changes(ctx: &Context<'_>, run: i64) -> Result<Changes, Error> {
    Ok(loaders_of(ctx).load(RunChanges(run)).await?.unwrap_or_default())
}

fn appeared<'a>(ctx: &'a Context<'_>, run: i64) -> BoxFuture<'a, Result<variant_row::Filter, Error>> {
    Box::pin(
        async move { Ok(variant_row::Filter { among: Some(changes(ctx, run).await?.appeared), ..Default::default() }) },
    )
}

fn vanished<'a>(ctx: &'a Context<'_>, run: i64) -> BoxFuture<'a, Result<variant_row::Filter, Error>> {
    Box::pin(
        async move { Ok(variant_row::Filter { among: Some(changes(ctx, run).await?.vanished), ..Default::default() }) },
    )
}

/// What a run is looked up by: one of these.
#[derive(Debug, OneofObject)]
pub enum RunBy {
    /// The `id` of the run.
    Id(ID),
    /// Its build: of several runs, the latest by start time.
    Build(BuildName),
    /// The hash of one of its sessions.
    Session(String),
}

/// Returns the key of a run that is not looked up by its ID.
async fn key_of(ctx: &Context<'_>, by: RunBy) -> Result<Option<i64>, Error> {
    let db = &state_of(ctx).database.store;
    match by {
        RunBy::Id(id) => decode_id_of::<Run>("by.id", &id).map(Some),
        RunBy::Build(BuildName { project, pipeline, name }) => {
            let build = build_named(db, project.as_deref(), &pipeline, &name).await?;
            let Some(build) = build.map(|build| build.id) else { return Ok(None) };
            let latest = last(row::Filter::default(), row::Sort::RunDate);
            let mut runs = row::Entity::rows_under(db, edges::RUNS_OF_BUILD, &[build], &latest).await?;
            Ok(runs.remove(&build).and_then(|mut runs| runs.pop()).map(|run| run.id))
        }
        RunBy::Session(hash) => {
            let filter = session_row::Filter { hash: Some(Text::equals(hash)), ..session_row::Filter::default() };
            let sessions = session_row::Entity::rows(db, &last(filter, session_row::Sort::Announced)).await?;
            Ok(sessions.into_iter().find_map(|session| session.run_id))
        }
    }
}

/// Returns the slice with the last row that matches.
fn last<E: Listable>(filter: E::Filter, by: E::Sort) -> Slice<E> {
    let order = Order { by, descending: true };
    Slice { filter: filter.into(), order, after: None, before: None, limit: 1, from_end: false }
}

#[derive(Default)]
pub struct RunQuery;

graph_object! {
    impl RunQuery {
        /// A run. Null if there is none.
        async fn run(&self, ctx: &Context<'_>, #[graphql(desc = "What to look it up by.")] by: RunBy) -> Option<FieldResult<Run>> {
            match key_of(ctx, by).await {
                Ok(key) => find(ctx, key?).await.map_err(Into::into).transpose(),
                Err(error) => Some(Err(error.into())),
            }
        }
    }
    /// All runs, by default in the order of their start times.
    list runs: row::Entity = |_| Parent::Root;
}
