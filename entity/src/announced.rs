//! What sessions and execution contexts have in common: workers name them by a hash, and announce them, before or after the
//! first metric does so.

use std::collections::HashMap;

use sea_orm::{
    ConnectionTrait, DbErr, Iterable as _,
    sea_query::{Expr, ExprTrait as _, Func, Query},
};

use crate::{
    digest::digest,
    engine::Engine,
    execution_context,
    filter::Tree,
    list::{self, Noun},
    session,
};

/// A noun that is announced.
pub trait Announced: Noun {}

impl Announced for session::Entity {}
impl Announced for execution_context::Entity {}

/// The row with this hash, announced or not.
pub async fn by_hash<E: Announced>(db: &impl ConnectionTrait, hash: &str) -> Result<Option<E::Model>, DbErr> {
    let query = Query::select()
        .columns(E::Column::iter())
        .from(E::default())
        .and_where(Expr::col("digest").eq(digest(&[hash]).to_vec()))
        .take();
    Ok(list::models::<E>(db, &query).await?.pop())
}

/// The hashes of these rows, in one statement. They never change once stored.
pub async fn hashes<E: Announced>(db: &impl ConnectionTrait, ids: &[i64]) -> Result<HashMap<i64, String>, DbErr> {
    let query = Query::select()
        .columns(["id", "hash"])
        .from(E::default())
        .and_where(Engine::of(db).any_of(Expr::col("id"), ids))
        .take();
    let rows = db.query_all(&query).await?;
    rows.iter().map(|row| Ok((row.try_get("", "id")?, row.try_get("", "hash")?))).collect()
}

/// How many announced rows match `filter`.
pub async fn count<E: Announced>(db: &impl ConnectionTrait, filter: &Tree<E::Filter>) -> Result<u64, DbErr> {
    if *filter != Tree::default() {
        return list::count::<E>(db, filter).await;
    }
    // Announcements are numbered without gaps: the greatest number is the count.
    let query = Query::select().expr_as(Func::max(Expr::col("announced")), "n").from(E::default()).take();
    list::number(db, &query).await
}
