//! The tables: one module each, with the row, the filter of its lists, and its queries. Relations between tables are in
//! [`crate::edges`].

pub mod access_token;
pub mod audit_record;
pub mod branch;
pub mod build;
pub mod component;
pub mod component_build;
pub mod execution_context;
pub mod item;
pub mod machine_class;
pub mod metric;
pub mod pipeline;
pub mod project;
pub mod run;
pub mod segment;
pub mod session;
pub mod session_component;
pub mod session_context;
pub mod session_tag;
pub mod tag;
pub mod variant;

/// Implements what SeaORM requires of every entity: no relations, since [`crate::edges`] has them, and no hooks.
macro_rules! plain_entity {
    () => {
        /// Empty: relations are edges.
        #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
        pub enum Relation {}

        impl ActiveModelBehavior for ActiveModel {}
    };
}
pub(crate) use plain_entity;

/// Implements [`crate::list::Listable`] for an entity with runs, whose lists are in the order of the latest run of each or in order of arrival.
macro_rules! in_order_of_latest_run {
    ($Filter:ty, default: $default:ident) => {
        /// The sort orders.
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub enum Sort {
            /// The run date of the latest run.
            RunDate,
            /// The first session.
            FirstSeen,
        }

        impl Default for Sort {
            fn default() -> Self {
                Self::$default
            }
        }

        impl Sort {
            fn column(self) -> Option<Column> {
                match self {
                    Self::RunDate => Some(Column::LastRunDate),
                    Self::FirstSeen => None,
                }
            }
        }

        impl crate::list::Listable for Entity {
            type Filter = $Filter;
            type Sort = Sort;
            type Link = crate::list::Link;

            fn sort_key(sort: Sort, row: &Model) -> i64 {
                match sort {
                    Sort::RunDate => row.last_run_date.unwrap_or_default(),
                    Sort::FirstSeen => row.id,
                }
            }

            fn id(row: &Model) -> i64 {
                row.id
            }
        }
    };
}
pub(crate) use in_order_of_latest_run;
