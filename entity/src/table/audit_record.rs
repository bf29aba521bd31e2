//! Records of who changed or deleted what was stored, and when.

use sea_orm::{entity::prelude::*, sea_query::Condition};

use crate::{
    column,
    dialect::Engine,
    driver::row::from_row,
    filter::Text,
    list::{self, SqlListable},
    table::plain_entity,
};

/// The action of a record: sessions were deleted.
pub const DELETE_SESSIONS: &str = "delete_sessions";

/// A row of `audit_record`.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_record")]
pub struct Model {
    /// The key, which counts up.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// When it began, in microseconds since 1970 in UTC.
    pub at: i64,
    /// The name of the token that asked for it; `None` for a command.
    pub token: Option<String>,
    /// What was done: [`DELETE_SESSIONS`].
    pub action: String,
    /// To what: a filter of sessions, as GraphQL writes it.
    pub subject: String,
    /// The number of sessions.
    pub session_count: i64,
    /// The number of metrics.
    pub metric_count: i64,
}

from_row!(Model { id, at, token, action, subject, session_count, metric_count });

plain_entity!();

/// The filter of records.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// The name of the token.
    pub token: Option<Text>,
    /// The subject.
    pub subject: Option<Text>,
}

list::in_order_first_seen!(Filter);

impl SqlListable for Entity {
    fn condition(filter: &Filter, engine: Engine) -> Condition {
        let Filter { token, subject } = filter;
        Condition::all()
            .add_option(token.as_ref().map(|text| text.on(column::of(Column::Token), engine)))
            .add_option(subject.as_ref().map(|text| text.on(column::of(Column::Subject), engine)))
    }
}
