//! The tables: one module each, with the row, the filter of its lists, and its queries. Relations between tables are in
//! [`crate::edges`].

pub mod access_token;
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
