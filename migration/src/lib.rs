//! Migrations. They name columns as text, never through `entity`: a migration must keep its meaning when the entities change.
//! Each runs in a transaction at startup, and can be reverted; those of the history as long as no metric is compressed.

pub use sea_orm_migration::MigratorTrait;
use sea_orm_migration::prelude::*;

mod m0001_base;
mod m0002_listings;
mod m0003_tokens;
mod m0004_parts;
mod m0005_sessions_in_parts;
mod m0006_pipeline_variants;
mod m0007_committers;
mod m0008_history;
mod m0009_runs;
mod m0010_deletions;
mod m0011_latest_runs;
mod m0012_audit;

/// Every migration, oldest first.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_base::Migration),
            Box::new(m0002_listings::Migration),
            Box::new(m0003_tokens::Migration),
            Box::new(m0004_parts::Migration),
            Box::new(m0005_sessions_in_parts::Migration),
            Box::new(m0006_pipeline_variants::Migration),
            Box::new(m0007_committers::Migration),
            Box::new(m0008_history::Migration),
            Box::new(m0009_runs::Migration),
            Box::new(m0010_deletions::Migration),
            Box::new(m0011_latest_runs::Migration),
            Box::new(m0012_audit::Migration),
        ]
    }
}

/// Returns the names of all tables.
pub fn tables() -> impl Iterator<Item = &'static str> {
    let first = m0001_base::TABLES.iter().map(|(name, _)| *name).filter(|name| *name != "metric");
    let single = [m0003_tokens::TABLE, m0007_committers::TABLE, m0008_history::ROWS, m0012_audit::TABLE];
    let later = m0008_history::TABLES.iter().chain(m0009_runs::TABLES).chain(m0010_deletions::TABLES);
    first.chain(single).chain(later.map(|(name, _)| *name))
}
