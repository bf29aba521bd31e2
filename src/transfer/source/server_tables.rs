//! The tables of monitor-server in PostgreSQL.

use futures_util::TryStreamExt as _;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgConnection, Row as _,
    postgres::{PgConnectOptions, PgRow},
};

use super::{
    reading::{Sender, SourceError},
    tables::{
        CONTEXTS, Cell, Holds, METRICS, OF_CONTEXTS, OF_METRICS, OF_SESSIONS, SESSIONS, Wanted, context, expressions,
        has, metric, quoted, session,
    },
};
use crate::{
    config::DatabaseUrl,
    transfer::record::{Parts, Record},
};

const COLUMNS: &str = "SELECT attname::text FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid \
    JOIN pg_namespace ON pg_namespace.oid = relnamespace \
    WHERE nspname = current_schema() AND relname = $1 AND attnum > 0 AND NOT attisdropped";

/// Whether the database has the tables.
///
/// # Errors
/// It can't be reached.
pub(super) async fn are_there(url: &DatabaseUrl) -> Result<bool, SourceError> {
    let looked = async {
        let mut connection = connect(url).await?;
        let columns = columns(&mut connection, METRICS).await?;
        connection.close().await?;
        Ok(!columns.is_empty())
    };
    looked.await.map_err(|error| unreadable(url.shown(), &error))
}

/// Reads all of it, as far as `sender` takes it.
pub(super) async fn read(url: &DatabaseUrl, name: &str, sender: &Sender) {
    if let Err(error) = read_from(url, sender).await {
        // Without a receiver, nobody wants to know.
        let _ = sender.send(Err(unreadable(name, &error))).await;
    }
}

fn unreadable(name: &str, error: &sqlx::Error) -> SourceError {
    SourceError::Unreadable(name.to_owned(), format!("it can't be read: {error}"))
}

async fn connect(url: &DatabaseUrl) -> Result<PgConnection, sqlx::Error> {
    let options: PgConnectOptions = url.as_str().parse()?;
    options.extra_float_digits(None).disable_statement_logging().connect().await
}

async fn columns(connection: &mut PgConnection, table: &str) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(COLUMNS).bind(table).fetch_all(connection).await
}

/// Reads all rows of a table with `read`. Returns whether more are wanted.
async fn table<const N: usize>(
    connection: &mut PgConnection,
    (table, columns, wanted): (&str, &[String], [Wanted; N]),
    (parts, sender): (&mut Parts, &Sender),
    read: impl Fn(&[Cell<'_>; N]) -> Result<Record, String>,
) -> Result<bool, sqlx::Error> {
    if columns.is_empty() {
        return Ok(true);
    }
    let cast =
        |expression: &str, holds| format!("({expression})::{}", if holds == Holds::Number { "float8" } else { "text" });
    let expressions = expressions(columns, &wanted, cast);
    let order = if has(columns, "ITEM_PK") { " ORDER BY \"ITEM_PK\"" } else { "" };
    let select = format!("SELECT {} FROM {}{order}", expressions.join(", "), quoted(table));
    let mut rows = sqlx::query(AssertSqlSafe(select)).fetch(connection);
    let mut number = 0_u64;
    while let Some(row) = rows.try_next().await? {
        number += 1;
        let mut cells = [const { Cell::Null }; N];
        for ((place, cell), (_, holds)) in cells.iter_mut().enumerate().zip(&wanted) {
            *cell = cell_of(&row, place, *holds)?;
        }
        parts.add(|| format!("{table}, row {number}"), read(&cells));
        if let Some(part) = parts.full(number)
            && sender.send(Ok(part)).await.is_err()
        {
            return Ok(false);
        }
    }
    Ok(true)
}

fn cell_of(row: &PgRow, place: usize, holds: Holds) -> Result<Cell<'_>, sqlx::Error> {
    Ok(match holds {
        Holds::Number => row.try_get::<Option<f64>, _>(place)?.map_or(Cell::Null, Cell::Real),
        Holds::Text => row.try_get::<Option<&str>, _>(place)?.map_or(Cell::Null, |text| Cell::Text(text.into())),
    })
}

async fn read_from(url: &DatabaseUrl, sender: &Sender) -> Result<(), sqlx::Error> {
    let mut connection = connect(url).await?;
    // All of it as it is now.
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let contexts = columns(&mut connection, CONTEXTS).await?;
    let sessions = columns(&mut connection, SESSIONS).await?;
    let metrics = columns(&mut connection, METRICS).await?;
    let mut parts = Parts::default();
    let to = (&mut parts, sender);
    let of_context = |cells: &[Cell<'_>; 11]| context(cells).map(Record::Context);
    if !table(&mut connection, (CONTEXTS, &contexts, OF_CONTEXTS), to, of_context).await? {
        return Ok(());
    }
    let (to, of_session) = ((&mut parts, sender), |cells: &[Cell<'_>; 4]| session(cells).map(Record::Session));
    if !table(&mut connection, (SESSIONS, &sessions, OF_SESSIONS), to, of_session).await? {
        return Ok(());
    }
    let (to, of_metric) = ((&mut parts, sender), |cells: &[Cell<'_>; 17]| metric(cells).map(Record::Metric));
    if table(&mut connection, (METRICS, &metrics, OF_METRICS), to, of_metric).await? {
        // Without a receiver, nobody wants the rest.
        let _ = sender.send(Ok(parts.rest(0))).await;
    }
    connection.close().await
}
