//! What queries read from.

use std::sync::Arc;

use sea_orm::{DbErr, Statement};

use crate::{
    dialect::Engine,
    driver::{executor::Reader, row::FromRow, source::Source},
    history::History,
};

/// The connections of a server that read, and its history.
#[derive(Debug, Clone)]
pub struct Store {
    /// The connections.
    pub reader: Reader,
    /// The history.
    pub history: Arc<History>,
}

impl Source for Store {
    fn engine(&self) -> Engine {
        self.reader.engine()
    }

    async fn all_of<T: FromRow>(&self, statement: Statement) -> Result<Vec<T>, DbErr> {
        self.reader.all_of(statement).await
    }
}
