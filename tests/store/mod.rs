//! Storage: ingest, SQLite, PostgreSQL.

mod database;
mod ingest;
mod ingest_batches;
mod pool_exhaustion;
mod postgres_poolers;
mod postgres_schemas;
mod postgres_start;
mod query_plans;
mod read_only;
mod readiness;
mod restores;
mod sqlite_file;
mod sqlite_start;
