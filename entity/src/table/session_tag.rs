//! The tags of each session, in the order in which they were announced.

use std::collections::HashMap;

use sea_orm::{
    ActiveValue::Set,
    DbErr, Order,
    entity::prelude::*,
    sea_query::{Expr, ExprTrait as _, Query},
};

use crate::{
    column,
    driver::{executor::Transaction, source::Source},
    table::{plain_entity, tag},
};

/// A row of `session_tag`.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "session_tag")]
pub struct Model {
    /// The key of the session.
    #[sea_orm(primary_key, auto_increment = false)]
    pub session_id: i64,
    /// The position of the tag, from 0.
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: i64,
    /// The key of the tag.
    pub tag_id: i64,
}

plain_entity!();

/// Returns the keys of the tags of these sessions, each list in announced order, in one statement.
pub async fn keys_by_sessions(db: &impl Source, sessions: &[i64]) -> Result<HashMap<i64, Vec<i64>>, DbErr> {
    let query = Query::select()
        .columns([Column::SessionId, Column::TagId])
        .from(Entity)
        .and_where(db.engine().any_of(Expr::col(Column::SessionId), sessions))
        .order_by(Column::SessionId, Order::Asc)
        .order_by(Column::Position, Order::Asc)
        .take();
    let mut keys: HashMap<i64, Vec<i64>> = HashMap::with_capacity(sessions.len());
    for (session, tag) in db.all::<(i64, i64)>(&query).await? {
        keys.entry(session).or_default().push(tag);
    }
    Ok(keys)
}

/// Returns the tags of these sessions, each list in announced order, in one statement.
pub async fn by_sessions(db: &impl Source, sessions: &[i64]) -> Result<HashMap<i64, Vec<tag::Model>>, DbErr> {
    let query = Query::select()
        .column((Entity, Column::SessionId))
        .columns([tag::Column::Id, tag::Column::Name, tag::Column::Value].map(|column| (tag::Entity, column)))
        .from(Entity)
        .inner_join(tag::Entity, Expr::col((tag::Entity, tag::Column::Id)).eq(column::of(Column::TagId)))
        .and_where(db.engine().any_of(column::of(Column::SessionId), sessions))
        .order_by((Entity, Column::SessionId), Order::Asc)
        .order_by((Entity, Column::Position), Order::Asc)
        .take();
    let mut tags: HashMap<i64, Vec<tag::Model>> = HashMap::with_capacity(sessions.len());
    for (session, tag) in db.all::<(i64, tag::Model)>(&query).await? {
        tags.entry(session).or_default().push(tag);
    }
    Ok(tags)
}

/// Inserts the tags of a session, in announced order.
pub async fn insert(tx: &Transaction<'_>, session: i64, tags: &[i64]) -> Result<(), DbErr> {
    let rows = (0_i64..).zip(tags).map(|(position, tag)| ActiveModel {
        session_id: Set(session),
        position: Set(position),
        tag_id: Set(*tag),
    });
    tx.insert_many(rows).await
}
