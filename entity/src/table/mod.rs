//! The tables: one module each, with the row, the filter of its lists and what is looked up in it. What leads from one table's rows to
//! those of another one is in [`crate::edges`].

pub mod access_token;
pub mod build;
pub mod component;
pub mod component_build;
pub mod execution_context;
pub mod item;
pub mod metric;
pub mod pipeline;
pub mod pipeline_variant;
pub mod session;
pub mod session_tag;
pub mod tag;
pub mod variant;

/// What SeaORM asks of every entity: no relations, since [`crate::edges`] lead from row to row, and nothing that is done when a row is
/// saved.
macro_rules! plain_entity {
    () => {
        /// None: edges lead from row to row.
        #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
        pub enum Relation {}

        impl ActiveModelBehavior for ActiveModel {}
    };
}
pub(crate) use plain_entity;
