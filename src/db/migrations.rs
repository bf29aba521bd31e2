//! Migrations: which have run, and running the missing ones. Nothing is written before the database is known to be ours.

use entity::driver::rusqlite::Counter;
use migration::{Migrator, MigratorTrait as _};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbErr, Statement};

use super::{file, open_error::OpenError, postgres};
use crate::config::DatabaseUrl;

/// Runs missing migrations on PostgreSQL. Nothing is written if none is missing.
pub(super) async fn prepare(url: &DatabaseUrl, read_only: bool) -> Result<(), OpenError> {
    if !is_lacking(url, read_only).await? {
        return Ok(());
    }
    let connection = postgres::counted(postgres::single_connection(url).await?, &Counter::default());
    migrate(&connection).await?;
    Ok(connection.close().await?)
}

/// Runs missing migrations. An advisory lock of this connection makes servers that start together do so one after the other.
async fn migrate(connection: &DatabaseConnection) -> Result<(), DbErr> {
    connection.execute_unprepared("SELECT pg_advisory_lock(1835365474, hashtext(current_schema()))").await?;
    Migrator::up(connection, None).await?;
    connection.execute_unprepared("SELECT pg_advisory_unlock(1835365474, hashtext(current_schema()))").await.map(drop)
}

/// Whether any migration is missing.
pub(super) async fn is_lacking(url: &DatabaseUrl, read_only: bool) -> Result<bool, OpenError> {
    let applied = applied(url, read_only).await?.unwrap_or_default();
    let mut steps = Migrator::migrations().into_iter().map(|step| step.name().to_owned());
    match steps.find(|step| !applied.contains(step)) {
        Some(lacking) if read_only => Err(OpenError::Older(lacking)),
        lacking => Ok(lacking.is_some()),
    }
}

/// Looks before anything is written. Returns the migrations that have run, or `None` if there are no tables.
pub(super) async fn applied(url: &DatabaseUrl, read_only: bool) -> Result<Option<Vec<String>>, OpenError> {
    let Some(path) = url.sqlite_file() else {
        let connection = postgres::counted(postgres::single_connection(url).await?, &Counter::default());
        let judged = judge(&connection, url, postgres::TABLES).await?;
        connection.close().await?;
        return judged;
    };
    let Some(connection) = file::look(url, &path, read_only).await? else { return Ok(None) };
    let judged =
        judge(&connection, url, file::TABLES).await.map_err(|error| file::refused(&path, &error, read_only))?;
    connection.close().await.map_err(|error| file::refused(&path, &error, read_only))?;
    judged.map_err(|error| match error {
        OpenError::Newer(step) => file::newer(&path, &step),
        other => other,
    })
}

/// Whether it is ours, if it has tables at all, and not ahead of us: then the migrations that have run. `tables` asks for the names of
/// its tables.
async fn judge(
    connection: &DatabaseConnection,
    url: &DatabaseUrl,
    tables: &str,
) -> Result<Result<Option<Vec<String>>, OpenError>, DbErr> {
    let engine = connection.get_database_backend();
    let names = async |sql: &str, column: &str| -> Result<Vec<String>, DbErr> {
        let rows = connection.query_all_raw(Statement::from_string(engine, sql)).await?;
        rows.iter().map(|row| row.try_get("", column)).collect()
    };
    let names_of_tables = names(tables, "name").await?;
    let has = |table: &str| names_of_tables.iter().any(|name| name == table);
    if has("TEST_METRICS") {
        return Ok(Err(OpenError::MonitorServer(url.shown().to_owned())));
    }
    if !has("seaql_migrations") {
        let foreign = migration::tables().find(|table| has(table));
        return Ok(foreign.map_or(Ok(None), |table| Err(OpenError::Foreign(table.to_owned()))));
    }
    let migrations: Vec<String> = Migrator::migrations().iter().map(|step| step.name().to_owned()).collect();
    let taken = names("SELECT version FROM seaql_migrations ORDER BY version", "version").await?;
    let newer = taken.iter().find(|step| !migrations.contains(step)).cloned();
    Ok(newer.map_or(Ok(Some(taken)), |step| Err(OpenError::Newer(step))))
}
