//! Connections that run statements: a pool for reading, one connection for writing, and its transactions. Every statement of the server
//! goes through here.

use std::sync::Arc;

use sea_orm::{
    ConnectionTrait as _, DatabaseConnection, DatabaseTransaction, DbErr, QueryResult, RuntimeErr, Statement,
    TransactionTrait as _,
    sea_query::{Expr, Query, QueryStatementWriter, Value},
};

use crate::{
    dialect::{Engine, postgres, sqlite},
    driver::{
        file::FileError,
        history::{CommitTrail, Continuity},
        row::FromRow,
        rusqlite::{self, Connection, Pool},
        source::Source,
    },
};

/// Values that one statement binds, at most: PostgreSQL takes 65,535.
const MAX_BOUND_VALUES: usize = 20_000;

/// What kind of sessions a connection to PostgreSQL has.
#[derive(Debug, Clone)]
pub enum Sessions {
    /// A session of its own.
    Own,
    /// A pooler in transaction mode: settings and prepared statements end with the transaction. Reading transactions begin with this SQL.
    Shared(Arc<str>),
}

impl Sessions {
    /// Returns every row of `statement`.
    pub(crate) async fn query(
        &self,
        connection: &DatabaseConnection,
        statement: Statement,
    ) -> Result<Vec<QueryResult>, DbErr> {
        let Self::Shared(begin) = self else { return connection.query_all_raw(statement).await };
        // A statement must be prepared and run in the same session.
        let transaction = connection.begin().await?;
        transaction.execute_unprepared(begin).await?;
        transaction.execute_unprepared(postgres::FORGET_PREPARED).await?;
        let rows = transaction.query_all_raw(statement).await?;
        transaction.commit().await?;
        Ok(rows)
    }
}

/// Connections that read what was committed.
#[derive(Debug, Clone)]
pub enum Reader {
    /// Connections to a file.
    Direct(Pool),
    /// A pool of the ORM.
    Orm(DatabaseConnection, Sessions),
}

impl Reader {
    /// Checks that a file is still where it was opened. (A PostgreSQL that is gone does not answer.)
    ///
    /// # Errors
    /// What became of the file, and what to do.
    pub fn check(&self) -> Result<(), FileError> {
        match self {
            Self::Direct(pool) => pool.check(),
            Self::Orm(..) => Ok(()),
        }
    }

    /// Returns the number of open connections, and of those that no statement uses.
    pub fn connections(&self) -> (usize, usize) {
        match self {
            Self::Direct(pool) => pool.connections(),
            Self::Orm(connection, _) => {
                let pool = connection.get_postgres_connection_pool();
                (pool.size() as usize, pool.num_idle())
            }
        }
    }

    /// Ends or awaits the running statements, then closes every connection.
    ///
    /// # Errors
    /// The database's.
    pub async fn close(self) -> Result<(), DbErr> {
        match self {
            Self::Direct(pool) => {
                pool.close().await;
                Ok(())
            }
            Self::Orm(connection, _) => connection.close().await,
        }
    }
}

impl Source for Reader {
    fn engine(&self) -> Engine {
        match self {
            Self::Direct(_) => Engine::Sqlite,
            Self::Orm(..) => Engine::Postgres,
        }
    }

    async fn all_of<T: FromRow>(&self, statement: Statement) -> Result<Vec<T>, DbErr> {
        match self {
            Self::Direct(pool) => pool.all(statement).await,
            Self::Orm(connection, sessions) => rows_of(&sessions.query(connection, statement).await?),
        }
    }
}

/// The one connection that writes.
#[derive(Debug)]
pub enum Writer {
    /// To a file. Its statements block the calling thread.
    Direct(Connection),
    /// One of the ORM.
    Orm(DatabaseConnection, Sessions),
}

impl Writer {
    /// Like [`Reader::check`]. If the file is no longer there, its log is folded into it as far as possible.
    ///
    /// # Errors
    /// What became of the file, and what to do.
    pub fn check(&self) -> Result<(), DbErr> {
        match self {
            Self::Direct(connection) => connection.check(),
            Self::Orm(..) => Ok(()),
        }
    }

    /// Begins a transaction. Until it ends, no other one writes.
    ///
    /// # Errors
    /// The database's.
    pub async fn begin(&self) -> Result<Transaction<'_>, DbErr> {
        Ok(match self {
            Self::Direct(connection) => Transaction::Direct(connection.begin()?),
            Self::Orm(connection, sessions) => {
                let transaction = begin(connection, sessions).await?;
                transaction.execute_unprepared(postgres::BEGIN_WRITING).await?;
                Transaction::Orm(transaction)
            }
        })
    }

    /// Like [`Self::begin`], and returns what has become of the history since the last commit on `trail`: unless it is the same, no cache
    /// is valid.
    ///
    /// # Errors
    /// The database's.
    pub async fn resume(&self, trail: &mut CommitTrail) -> Result<(Transaction<'_>, Continuity), DbErr> {
        let Self::Orm(connection, sessions) = self else {
            let transaction = self.begin().await?;
            let version = Statement::from_string(self.engine().backend(), "PRAGMA data_version");
            let version = transaction.all_of::<i64>(version).await?.pop().unwrap_or(0);
            return Ok((transaction, trail.check_data_version(version)));
        };
        let transaction = begin(connection, sessions).await?;
        let Some(next) = trail.next_commit() else {
            transaction.execute_unprepared(postgres::BEGIN_WRITING).await?;
            let transaction = Transaction::Orm(transaction);
            trail.restart(&transaction).await?;
            return Ok((transaction, Continuity::Continues));
        };
        // One round trip with two statements, so that the second one sees what was committed while the first waited for the lock.
        let found =
            transaction.execute_unprepared(&format!("{}; {next}", postgres::BEGIN_WRITING)).await?.rows_affected();
        let transaction = Transaction::Orm(transaction);
        // Taking the lock returns a row itself.
        if found > 1 {
            return Ok((transaction, Continuity::Continues));
        }
        if trail.rejoin(&transaction).await? {
            return Ok((transaction, Continuity::Thinned));
        }
        trail.restart(&transaction).await?;
        Ok((transaction, Continuity::Replaced))
    }

    /// Whether the last commit on `trail`, whose confirmation was lost, took place. A file says so itself.
    ///
    /// # Errors
    /// The database's.
    pub async fn has_committed(&self, trail: &CommitTrail) -> Result<bool, DbErr> {
        if let Self::Direct(_) = self {
            return Ok(false);
        }
        // Waits until a transaction that is still committed has ended.
        let transaction = self.begin().await?;
        let is_there = trail.is_there(&transaction).await?;
        transaction.commit().await?;
        Ok(is_there)
    }

    fn engine(&self) -> Engine {
        match self {
            Self::Direct(_) => Engine::Sqlite,
            Self::Orm(..) => Engine::Postgres,
        }
    }

    /// Closes the connection.
    ///
    /// # Errors
    /// The database's.
    pub async fn close(self) -> Result<(), DbErr> {
        match self {
            Self::Direct(connection) => connection.close(),
            Self::Orm(connection, _) => connection.close().await,
        }
    }
}

async fn begin(connection: &DatabaseConnection, sessions: &Sessions) -> Result<DatabaseTransaction, DbErr> {
    let transaction = connection.begin().await?;
    if let Sessions::Shared(_) = sessions {
        transaction.execute_unprepared(postgres::FORGET_PREPARED).await?;
    }
    Ok(transaction)
}

/// An open transaction, rolled back unless it is committed.
#[derive(Debug)]
pub enum Transaction<'a> {
    /// On a connection to a file.
    Direct(rusqlite::Transaction<'a>),
    /// Of the ORM.
    Orm(DatabaseTransaction),
}

impl Transaction<'_> {
    /// Runs a statement that returns no rows.
    ///
    /// # Errors
    /// The database's.
    pub async fn execute(&self, statement: &impl QueryStatementWriter) -> Result<(), DbErr> {
        self.execute_of(self.engine().build(statement)).await
    }

    /// Runs a fixed statement that returns no rows. Its values are bound to `$1`, `$2`, …
    ///
    /// # Errors
    /// The database's.
    pub async fn run<const N: usize>(&self, sql: &str, values: [Value; N]) -> Result<(), DbErr> {
        self.execute_of(self.engine().statement(sql, values)).await
    }

    /// Runs such a statement once for each row of values.
    ///
    /// # Errors
    /// The database's.
    pub async fn run_each<const N: usize>(&self, sql: &str, rows: &[[Value; N]]) -> Result<(), DbErr> {
        match self {
            Self::Direct(transaction) => transaction.execute_each(&sqlite::with_numbered_parameters(sql), rows),
            Self::Orm(_) => {
                for row in rows {
                    self.run(sql, row.clone()).await?;
                }
                Ok(())
            }
        }
    }

    async fn execute_of(&self, statement: Statement) -> Result<(), DbErr> {
        match self {
            Self::Direct(transaction) => transaction.execute(&statement),
            Self::Orm(transaction) => transaction.execute_raw(statement).await.map(drop),
        }
    }

    /// Runs such a statement once, with any number of values.
    ///
    /// # Errors
    /// The database's.
    pub async fn run_with(&self, sql: &str, values: Vec<Value>) -> Result<(), DbErr> {
        let Statement { sql, .. } = self.engine().statement(sql, []);
        self.execute_of(Statement::from_sql_and_values(self.engine().backend(), sql, values)).await
    }

    /// Gives up to `pages` free pages of a file back to the system; for others there is nothing to do.
    ///
    /// # Errors
    /// The database's.
    pub async fn give_back(&self, pages: u32) -> Result<(), DbErr> {
        match self {
            Self::Direct(transaction) => transaction.give_back(pages),
            Self::Orm(_) => Ok(()),
        }
    }

    /// Inserts `rows` into these columns of `table`, in their order.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn insert_rows<const N: usize>(
        &self,
        table: &'static str,
        columns: [&'static str; N],
        rows: &[[Value; N]],
    ) -> Result<(), DbErr> {
        match self {
            Self::Direct(transaction) => transaction.insert(table, columns, rows),
            Self::Orm(transaction) => {
                for part in rows.chunks(MAX_BOUND_VALUES / N) {
                    let mut insert = Query::insert().into_table(table).columns(columns).take();
                    for row in part {
                        insert.values_panic(row.iter().cloned().map(Expr::val));
                    }
                    transaction.execute(&insert).await?;
                }
                Ok(())
            }
        }
    }

    /// Sends `text` to every server on the same tables (NOTIFY) once this is committed. A file has one server.
    ///
    /// # Errors
    /// The database's.
    pub async fn notify(&self, text: &str) -> Result<(), DbErr> {
        match self {
            Self::Direct(_) => Ok(()),
            Self::Orm(_) => self.run(postgres::NOTIFY, [Value::from(text)]).await,
        }
    }

    /// Commits.
    ///
    /// # Errors
    /// The database's; then nothing was changed.
    pub async fn commit(self) -> Result<(), DbErr> {
        match self {
            Self::Direct(transaction) => transaction.commit(),
            Self::Orm(transaction) => transaction.commit().await,
        }
    }
}

impl Source for Transaction<'_> {
    fn engine(&self) -> Engine {
        match self {
            Self::Direct(_) => Engine::Sqlite,
            Self::Orm(_) => Engine::Postgres,
        }
    }

    async fn all_of<T: FromRow>(&self, statement: Statement) -> Result<Vec<T>, DbErr> {
        match self {
            Self::Direct(transaction) => transaction.all(&statement),
            Self::Orm(transaction) => rows_of(&transaction.query_all_raw(statement).await?),
        }
    }
}

fn rows_of<T: FromRow>(rows: &[QueryResult]) -> Result<Vec<T>, DbErr> {
    let foreign = || DbErr::Query(RuntimeErr::Internal("the rows are not PostgreSQL's".to_owned()));
    rows.iter().map(|row| T::from_row(&mut row.try_as_pg_row().ok_or_else(foreign)?.into())).collect()
}
