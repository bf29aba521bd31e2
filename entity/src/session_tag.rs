//! The tags of each session, in the order in which it was announced with them.

use std::collections::HashMap;

use sea_orm::{
    ConnectionTrait, DbErr, FromQueryResult as _, Order,
    entity::prelude::*,
    sea_query::{Expr, ExprTrait as _, Query},
};

use crate::{engine::Engine, list, tag};

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "session_tag")]
pub struct Model {
    /// The session.
    #[sea_orm(primary_key, auto_increment = false)]
    pub session_id: i64,
    /// From 0.
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: i64,
    /// The tag.
    pub tag_id: i64,
}

/// None: edges ([`crate::list::Edge`]) lead from row to row.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The tags of these sessions, each list in the order announced, in one statement.
pub async fn by_sessions(db: &impl ConnectionTrait, sessions: &[i64]) -> Result<HashMap<i64, Vec<tag::Model>>, DbErr> {
    let own = |column| list::column::<Entity>(column);
    let query = Query::select()
        .column((Entity, Column::SessionId))
        .columns([tag::Column::Id, tag::Column::Name, tag::Column::Value].map(|column| (tag::Entity, column)))
        .from(Entity)
        .inner_join(tag::Entity, Expr::col((tag::Entity, tag::Column::Id)).eq(own(Column::TagId)))
        .and_where(Engine::of(db).any_of(own(Column::SessionId), sessions))
        .order_by((Entity, Column::SessionId), Order::Asc)
        .order_by((Entity, Column::Position), Order::Asc)
        .take();
    let mut tags: HashMap<i64, Vec<tag::Model>> = HashMap::with_capacity(sessions.len());
    for row in db.query_all(&query).await? {
        let tag = tag::Model::from_query_result(&row, "")?;
        tags.entry(row.try_get("", "session_id")?).or_default().push(tag);
    }
    Ok(tags)
}
