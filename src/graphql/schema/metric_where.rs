//! The filter of metrics.

use async_graphql::InputObject;
use entity::{
    filter::Text,
    table::{metric as row, variant as variant_row},
};

use crate::{
    error::Error,
    graphql::{
        lists::filter::{Connectives, DateTimeFilter, FloatFilter, StringFilter, Where, check},
        schema::{
            global_id::IdFilter,
            session_where::{TaggedFilter, split_tags},
        },
    },
};

/// Filter for metrics. All given conditions must match.
#[derive(Debug, Clone, Default, InputObject)]
pub struct MetricWhere {
    /// All of these filters must match.
    and: Option<Vec<MetricWhere>>,
    /// At least one of these filters must match.
    or: Option<Vec<MetricWhere>>,
    /// This filter must not match.
    not: Option<Box<MetricWhere>>,
    /// Filter by the hash of the session.
    session: Option<StringFilter>,
    /// Filter by the hash of the execution context.
    context: Option<StringFilter>,
    /// Filter by the name of the component.
    component: Option<StringFilter>,
    /// Filter by the dotted import path of the test module.
    path: Option<StringFilter>,
    /// Filter by the name of the test function.
    item: Option<StringFilter>,
    /// Filter by the name of the test function with its parameters, without its class.
    variant: Option<StringFilter>,
    /// File of the test, relative to pytest's rootdir.
    location: Option<StringFilter>,
    /// Filter by what was measured: `function` or `module`.
    kind: Option<StringFilter>,
    /// Filter by the revision under test. Only metrics of announced sessions match.
    scm_ref: Option<StringFilter>,
    /// Filter by the name of the pipeline. Only metrics of announced sessions match.
    pipeline: Option<StringFilter>,
    /// Filter by the name of the build. Only metrics of announced sessions match.
    build: Option<StringFilter>,
    /// Filter by the name of the project. Only metrics of announced sessions match.
    project: Option<StringFilter>,
    /// Filter by the name of the branch. Only metrics of announced sessions match.
    branch: Option<StringFilter>,
    /// Filter by the run. Only metrics of announced sessions match.
    run: Option<IdFilter>,
    /// Start time of the session, on the clock of its machine. Only metrics of announced sessions match.
    run_date: Option<DateTimeFilter>,
    /// Filter by tags of the session. Only metrics of announced sessions match.
    tagged: Option<TaggedFilter>,
    /// Filter by the network name of the machine. Only metrics of announced execution contexts match.
    machine: Option<StringFilter>,
    /// Filter by the class of the machine. Only metrics of announced execution contexts match.
    machine_class: Option<IdFilter>,
    /// Start time of the test, on the clock of its machine.
    started_at: Option<DateTimeFilter>,
    /// Filter by wall-clock time, in seconds.
    total_time: Option<FloatFilter>,
    /// Filter by CPU time in user mode, in seconds.
    user_time: Option<FloatFilter>,
    /// Filter by CPU time in kernel mode, in seconds.
    kernel_time: Option<FloatFilter>,
    /// Filter by CPU usage: user and kernel time divided by total time, a ratio.
    cpu_usage: Option<FloatFilter>,
    /// Filter by peak memory minus the memory at the start of the session, in MB.
    memory_usage: Option<FloatFilter>,
    /// Filter by whether the test passed. Metrics without this value never match; the plugin never sends it.
    passed: Option<bool>,
}

impl Where for MetricWhere {
    type Filter = row::Filter;

    fn split(self) -> Result<(row::Filter, Connectives<Self>), Error> {
        let (tagged_all, tagged_any) = split_tags(self.tagged)?;
        let class = self.machine_class.map(|class| class.check("MachineClass", "where.machineClass"));
        let own = row::Filter {
            session: check!(self.session, "session"),
            context: check!(self.context, "context"),
            variant: variant_row::Filter {
                name: check!(self.variant, "variant"),
                location: check!(self.location, "location"),
                kind: check!(self.kind, "kind"),
                item: check!(self.item, "item"),
                path: check!(self.path, "path"),
                component: check!(self.component, "component"),
                among: None,
            },
            scm_ref: check!(self.scm_ref, "scmRef"),
            pipeline: check!(self.pipeline, "pipeline"),
            build: check!(self.build, "build"),
            project: check!(self.project, "project").filter(|project| *project != Text::default()),
            branch: check!(self.branch, "branch"),
            run: self.run.map(|run| run.check("Run", "where.run")).transpose()?.flatten(),
            run_date: check!(self.run_date, "runDate"),
            tagged_all,
            tagged_any,
            machine: check!(self.machine, "machine"),
            machine_class: class.transpose()?.flatten(),
            started_at: check!(self.started_at, "startedAt"),
            total_time: check!(self.total_time, "totalTime"),
            user_time: check!(self.user_time, "userTime"),
            kernel_time: check!(self.kernel_time, "kernelTime"),
            cpu_usage: check!(self.cpu_usage, "cpuUsage"),
            memory_usage: check!(self.memory_usage, "memoryUsage"),
            passed: self.passed,
        };
        Ok((own, Connectives { and: self.and, or: self.or, not: self.not }))
    }
}
