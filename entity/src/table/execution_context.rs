//! Execution contexts: a machine with its Python. A metric may refer to a context before it is announced; until then its row has
//! only the hash and the counter.

use sea_orm::{
    entity::prelude::*,
    sea_query::{Condition, ExprTrait as _},
};

use crate::{
    column,
    dialect::Engine,
    driver::row::from_row,
    filter::{Number, Text},
    list::{Link, Listable, SqlListable},
    table::plain_entity,
};

/// A row of `execution_context`.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "execution_context")]
pub struct Model {
    /// The key.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The hash by which workers refer to it.
    pub hash: String,
    /// The announcement number, from 1 without gaps; null until announced.
    pub announced: Option<i64>,
    /// Number of processors. This and the following columns are null until announced.
    pub cpu_count: Option<i64>,
    /// The frequency, in MHz.
    pub cpu_frequency: Option<f64>,
    /// The type of the processor, such as `x86_64`.
    pub cpu_type: Option<String>,
    /// Vendor and model; null if not sent.
    pub cpu_vendor: Option<String>,
    /// The memory, in MB.
    pub ram_total: Option<i64>,
    /// The network name of the machine.
    pub machine_node: Option<String>,
    /// The type of the machine, such as `x86_64`.
    pub machine_type: Option<String>,
    /// The word size, such as `64bit`.
    pub machine_arch: Option<String>,
    /// The operating system and its release.
    pub system_info: Option<String>,
    /// The version of Python.
    pub python_info: Option<String>,
    /// Number of metrics, announced or not.
    pub metric_count: i64,
    /// The key of the machine class; null until announced.
    pub machine_class_id: Option<i64>,
}

from_row!(Model {
    id,
    hash,
    announced,
    cpu_count,
    cpu_frequency,
    cpu_type,
    cpu_vendor,
    ram_total,
    machine_node,
    machine_type,
    machine_arch,
    system_info,
    python_info,
    metric_count,
    machine_class_id
});

plain_entity!();

/// The filter of execution contexts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// The hash.
    pub hash: Option<Text>,
    /// The network name of the machine.
    pub machine_node: Option<Text>,
    /// The type of the machine.
    pub machine_type: Option<Text>,
    /// The word size of the machine.
    pub machine_arch: Option<Text>,
    /// The type of the processor.
    pub cpu_type: Option<Text>,
    /// Vendor and model of the processor.
    pub cpu_vendor: Option<Text>,
    /// The operating system and its release.
    pub system_info: Option<Text>,
    /// The version of Python.
    pub python_info: Option<Text>,
    /// Number of processors.
    pub cpu_count: Option<Number<i64>>,
    /// The memory, in MB.
    pub ram_total: Option<Number<i64>>,
    /// The key of the machine class.
    pub machine_class: Option<Number<i64>>,
}

/// The sort orders of execution contexts.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Sort {
    /// The order of announcement.
    #[default]
    Announced,
}

impl Listable for Entity {
    type Filter = Filter;
    type Sort = Sort;
    type Link = Link;

    fn sort_key(Sort::Announced: Sort, row: &Model) -> i64 {
        row.announced.unwrap_or_default()
    }

    fn id(row: &Model) -> i64 {
        row.id
    }
}

impl SqlListable for Entity {
    fn condition(filter: &Filter, engine: Engine) -> Condition {
        let Filter {
            hash,
            machine_node,
            machine_type,
            machine_arch,
            cpu_type,
            cpu_vendor,
            system_info,
            python_info,
            cpu_count,
            ram_total,
            machine_class,
        } = filter;
        let texts = [
            (machine_node, Column::MachineNode),
            (machine_type, Column::MachineType),
            (machine_arch, Column::MachineArch),
            (cpu_type, Column::CpuType),
            (cpu_vendor, Column::CpuVendor),
            (system_info, Column::SystemInfo),
            (python_info, Column::PythonInfo),
        ];
        let numbers =
            [(cpu_count, Column::CpuCount), (ram_total, Column::RamTotal), (machine_class, Column::MachineClassId)];
        let mut all = Condition::all().add_option(hash.as_ref().map(|text| text.on_name::<Self>(Column::Hash, engine)));
        for (text, column) in texts {
            all = all.add_option(text.as_ref().map(|text| text.on(column::of(column), engine)));
        }
        for (number, column) in numbers {
            all = all.add_option(number.as_ref().map(|number| number.on(column::of(column))));
        }
        all
    }

    fn listed() -> Condition {
        Condition::all().add(column::of(Column::Announced).is_not_null())
    }

    fn sort_column(Sort::Announced: Sort) -> Option<Column> {
        Some(Column::Announced)
    }
}

/// Returns the condition that a context is of such a machine: by its network name, by the key of its class.
pub(crate) fn is_on(machine: Option<&Text>, class: Option<&Number<i64>>, engine: Engine) -> Condition {
    Condition::all()
        .add_option(machine.map(|text| text.on(column::of(Column::MachineNode), engine)))
        .add_option(class.map(|number| number.on(column::of(Column::MachineClassId))))
}
