//! Storage: ingest, SQLite, PostgreSQL.

mod aggregates;
mod announced_model;
mod assigning;
mod backups;
mod busy;
mod checks;
mod conditions;
mod database;
mod deleted_runs;
mod deletions;
mod faults;
mod first_seen;
mod history_model;
mod ingest;
mod ingest_batches;
mod pool_exhaustion;
mod postgres_poolers;
mod postgres_schemas;
mod postgres_start;
mod read_only;
mod readiness;
mod restores;
mod sealing;
mod sqlite_file;
mod sqlite_start;
mod versions;
