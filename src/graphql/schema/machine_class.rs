//! Machine classes: machines whose measurements can be compared.

use async_graphql::{Context, ID, InputObject};
use entity::{
    edges,
    table::{execution_context as context_row, machine_class as row, metric as metric_row, run as run_row},
};

use crate::{
    error::Error,
    graphql::{
        error::FieldResult,
        lists::{
            connection::Parent,
            filter::{Connectives, IntFilter, StringFilter, Where, check},
            listed::listed_as_row,
            object::graph_object,
        },
        scalars::Int,
        schema::{
            global_id::{find_by_id, global_id},
            statistics,
        },
    },
};

/// A stored class.
pub struct MachineClass(pub row::Model);

listed_as_row!(MachineClass, MachineClassWhere);

graph_object! {
    /// A class of machines with a Python: what of an execution context makes measurements comparable. Neither the name of
    /// the machine nor the measured frequency is part of it, which may make a context of every session.
    impl MachineClass {
        scalars {
            /// Global ID of the class.
            fn id(&self) -> ID {
                global_id::<Self>(self.0.id)
            }

            /// Processor vendor and model, as sent except for white space. Empty if not sent.
            fn cpu_vendor(&self) -> &str {
                &self.0.cpu_vendor
            }

            /// Processor type, such as `x86_64`. Empty if unknown.
            fn cpu_type(&self) -> &str {
                &self.0.cpu_type
            }

            /// Number of logical processors. 0 if unknown.
            fn cpu_count(&self) -> Int {
                self.0.cpu_count.into()
            }

            /// Total memory in GB (1 GB = 1024 MB), rounded up to a power of two, since machines reserve a part. 0 if
            /// unknown.
            fn ram(&self) -> Int {
                self.0.ram.into()
            }

            /// Machine type in one spelling, such as `x86_64` or `aarch64`; with the word size of a Python that has not
            /// 64 bits there. Empty if unknown.
            fn architecture(&self) -> &str {
                &self.0.architecture
            }

            /// Operating system without its release, such as `Linux`, `macOS` or `Windows`. Empty if unknown.
            fn os_family(&self) -> &str {
                &self.0.os_family
            }

            /// First two numbers of the version of Python, such as `3.12`; `PyPy 3.10` for PyPy. Empty if unknown.
            fn python(&self) -> &str {
                &self.0.python
            }
        }
    }
    ranking {
        /// The metrics recorded on machines of the class that used most (or least) of a resource. The most extreme comes first; ties are in the order
        /// recorded.
        top_metrics = |class| Parent::Row(edges::METRICS_OF_MACHINE_CLASS, class.0.id);
    }
    stats statistics { |class| (edges::METRICS_OF_MACHINE_CLASS, class.0.id) }
    /// The execution contexts of the class.
    list contexts: context_row::Entity = |class| Parent::Row(edges::CONTEXTS_OF_MACHINE_CLASS, class.0.id);
    /// The runs with metrics recorded on machines of the class.
    list runs: run_row::Entity = |class| Parent::Row(edges::RUNS_OF_MACHINE_CLASS, class.0.id);
    /// The metrics recorded on machines of the class.
    list metrics: metric_row::Entity = |class| Parent::Row(edges::METRICS_OF_MACHINE_CLASS, class.0.id);
}

/// Filter for machine classes. All given conditions must match.
#[derive(Debug, Clone, Default, InputObject)]
pub struct MachineClassWhere {
    /// All of these filters must match.
    and: Option<Vec<MachineClassWhere>>,
    /// At least one of these filters must match.
    or: Option<Vec<MachineClassWhere>>,
    /// This filter must not match.
    not: Option<Box<MachineClassWhere>>,
    /// Processor vendor and model.
    cpu_vendor: Option<StringFilter>,
    /// Processor type, such as `x86_64`.
    cpu_type: Option<StringFilter>,
    /// Number of logical processors.
    cpu_count: Option<IntFilter>,
    /// Total memory in GB, rounded up to a power of two.
    ram: Option<IntFilter>,
    /// Machine type, such as `x86_64`.
    architecture: Option<StringFilter>,
    /// Operating system, such as `Linux`.
    os_family: Option<StringFilter>,
    /// First two numbers of the version of Python, such as `3.12`.
    python: Option<StringFilter>,
}

impl Where for MachineClassWhere {
    type Filter = row::Filter;

    fn split(self) -> Result<(row::Filter, Connectives<Self>), Error> {
        let own = row::Filter {
            cpu_vendor: check!(self.cpu_vendor, "cpuVendor"),
            cpu_type: check!(self.cpu_type, "cpuType"),
            cpu_count: check!(self.cpu_count, "cpuCount"),
            ram: check!(self.ram, "ram"),
            architecture: check!(self.architecture, "architecture"),
            os_family: check!(self.os_family, "osFamily"),
            python: check!(self.python, "python"),
        };
        Ok((own, Connectives { and: self.and, or: self.or, not: self.not }))
    }
}

#[derive(Default)]
pub struct MachineClassQuery;

graph_object! {
    impl MachineClassQuery {
        /// The machine class with this global ID. Null if there is none.
        async fn machine_class(
            &self,
            ctx: &Context<'_>,
            #[graphql(desc = "The `id` of the machine class.")] id: ID,
        ) -> Option<FieldResult<MachineClass>> {
            find_by_id(ctx, &id).await
        }
    }
    /// All machine classes.
    list machine_classes: row::Entity = |_| Parent::Root;
}
