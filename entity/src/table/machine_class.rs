//! Classes of machines: what execution contexts have in common that makes measurements comparable.

use sea_orm::{entity::prelude::*, sea_query::Condition};

use crate::{
    column,
    dialect::Engine,
    driver::row::from_row,
    filter::{Number, Text},
    list::{self, SqlListable},
    table::plain_entity,
};

/// A row of `machine_class`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, DeriveEntityModel)]
#[sea_orm(table_name = "machine_class")]
pub struct Model {
    /// The key, which counts up in order of first contexts.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Vendor and model of the processor; empty if not sent.
    pub cpu_vendor: String,
    /// The type of the processor.
    pub cpu_type: String,
    /// Number of processors; 0 if unknown.
    pub cpu_count: i64,
    /// The memory in GB, rounded up to a power of two; 0 if unknown.
    pub ram: i64,
    /// The type of the machine.
    pub architecture: String,
    /// The operating system without its release.
    pub os_family: String,
    /// The first two numbers of Python's version.
    pub python: String,
}

from_row!(Model { id, cpu_vendor, cpu_type, cpu_count, ram, architecture, os_family, python });

plain_entity!();

/// The filter of machine classes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// Vendor and model of the processor.
    pub cpu_vendor: Option<Text>,
    /// The type of the processor.
    pub cpu_type: Option<Text>,
    /// Number of processors.
    pub cpu_count: Option<Number<i64>>,
    /// The memory, in GB.
    pub ram: Option<Number<i64>>,
    /// The type of the machine.
    pub architecture: Option<Text>,
    /// The operating system.
    pub os_family: Option<Text>,
    /// The first two numbers of Python's version.
    pub python: Option<Text>,
}

list::in_order_first_seen!(Filter);

impl SqlListable for Entity {
    fn condition(filter: &Filter, engine: Engine) -> Condition {
        let Filter { cpu_vendor, cpu_type, cpu_count, ram, architecture, os_family, python } = filter;
        let texts = [
            (cpu_vendor, Column::CpuVendor),
            (cpu_type, Column::CpuType),
            (architecture, Column::Architecture),
            (os_family, Column::OsFamily),
            (python, Column::Python),
        ];
        let mut all = Condition::all();
        for (text, column) in texts {
            all = all.add_option(text.as_ref().map(|text| text.on(column::of(column), engine)));
        }
        for (number, column) in [(cpu_count, Column::CpuCount), (ram, Column::Ram)] {
            all = all.add_option(number.as_ref().map(|number| number.on(column::of(column))));
        }
        all
    }
}
