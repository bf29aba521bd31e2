//! Turns the filter of a list into the condition of a scan: conditions on names become sets of keys.

use std::sync::Arc;

use sea_orm::{
    DbErr, EntityTrait,
    sea_query::{Condition, Expr, ExprTrait as _, Query, SelectStatement, UnionType},
};

use crate::{
    dialect::Engine,
    driver::source::Source,
    filter::Tree,
    history::{column::Dimension, predicate::Predicate},
    list::{self, SqlListable as _},
    resource::Resource,
    table::{execution_context, metric::Filter, session, variant},
};

/// Returns the condition of `filter`, after a single look-up of the names in it.
///
/// # Errors
/// If the database fails.
pub(crate) async fn resolve(db: &impl Source, filter: &Tree<Filter>) -> Result<Predicate, DbErr> {
    let mut leaves = Vec::new();
    collect(filter, &mut leaves);
    let look_ups: Vec<(Dimension, SelectStatement)> =
        leaves.iter().flat_map(|leaf| queries(leaf, db.engine())).collect();
    let mut found: Vec<Vec<i64>> = vec![Vec::new(); look_ups.len()];
    let numbered = look_ups
        .iter()
        .zip(0_i64..)
        .map(|((_, query), number)| query.clone().column("id").expr(Expr::val(number)).take());
    if let Some(mut all) = numbered.reduce(|mut all, query| all.union(UnionType::All, query).take()) {
        for (key, number) in db.all::<(i64, i64)>(&all.take()).await? {
            if let Some(keys) = usize::try_from(number).ok().and_then(|number| found.get_mut(number)) {
                keys.push(key);
            }
        }
    }
    let mut sets = look_ups
        .iter()
        .zip(found)
        .map(|((dimension, _), keys)| Predicate::Among(*dimension, Arc::new(keys.into_iter().collect())));
    Ok(combine(filter, &mut |leaf| {
        let of_names: Vec<Predicate> = sets.by_ref().take(queries(leaf, db.engine()).len()).collect();
        Predicate::all(of_names.into_iter().map(unless_empty).chain(of_values(leaf)))
    }))
}

/// Returns a query of the number of metrics that match `filter`, if it has no condition but one on sessions, on contexts or on variants:
/// these are counted.
pub(crate) fn counted(filter: &Tree<Filter>, engine: Engine) -> Option<SelectStatement> {
    let Tree { own, and, or, not } = filter;
    if !and.is_empty() || or.is_some() || not.is_some() || !of_values(own).is_empty() {
        return None;
    }
    let [(_, query)] = queries(own, engine).try_into().ok()?;
    Some(query.clone().expr(Expr::col("metric_count").sum().cast_as("BIGINT")).take())
}

/// Returns a condition on keys, or the plainest one that nothing matches.
fn unless_empty(predicate: Predicate) -> Predicate {
    match predicate {
        Predicate::Among(_, keys) if keys.len() == 0 => Predicate::Is(false),
        predicate => predicate,
    }
}

/// Collects the conditions on columns, in the order of [`combine`].
fn collect<'a>(tree: &'a Tree<Filter>, leaves: &mut Vec<&'a Filter>) {
    leaves.push(&tree.own);
    for part in tree.and.iter().chain(tree.or.iter().flatten()).chain(tree.not.as_deref()) {
        collect(part, leaves);
    }
}

fn combine(tree: &Tree<Filter>, leaf: &mut impl FnMut(&Filter) -> Predicate) -> Predicate {
    let mut all = vec![leaf(&tree.own)];
    all.extend(tree.and.iter().map(|part| combine(part, leaf)).collect::<Vec<_>>());
    if let Some(or) = &tree.or {
        let any: Vec<Predicate> = or.iter().map(|part| combine(part, leaf)).collect();
        all.push(Predicate::any(any));
    }
    if let Some(not) = &tree.not {
        all.push(combine(not, leaf).not());
    }
    Predicate::all(all)
}

/// Returns queries of the sessions, contexts and variants that match. They select nothing yet.
fn queries(filter: &Filter, engine: Engine) -> Vec<(Dimension, SelectStatement)> {
    let mut queries = Vec::new();
    if let Some(hash) = &filter.session {
        let condition = hash.on_name::<session::Entity>(session::Column::Hash, engine);
        queries.push((Dimension::Session, rows::<session::Entity>(condition)));
    }
    let of_session = filter.of_session();
    if of_session != session::Filter::default() {
        let condition = list::condition::<session::Entity>(&of_session.into(), engine);
        queries.push((Dimension::Session, rows::<session::Entity>(condition)));
    }
    if let Some(hash) = &filter.context {
        let condition = hash.on_name::<execution_context::Entity>(execution_context::Column::Hash, engine);
        queries.push((Dimension::Context, rows::<execution_context::Entity>(condition)));
    }
    if filter.machine.is_some() || filter.machine_class.is_some() {
        let condition = execution_context::is_on(filter.machine.as_ref(), filter.machine_class.as_ref(), engine);
        queries.push((Dimension::Context, rows::<execution_context::Entity>(condition)));
    }
    if filter.variant != variant::Filter::default() {
        let condition = variant::Entity::condition(&filter.variant, engine);
        queries.push((Dimension::Variant, rows::<variant::Entity>(condition)));
    }
    queries
}

fn rows<E: EntityTrait>(condition: Condition) -> SelectStatement {
    Query::select().from(E::default()).cond_where(condition).take()
}

/// Returns the conditions on the values of metrics.
fn of_values(filter: &Filter) -> Vec<Predicate> {
    let started_at = filter.started_at.clone().map(|number| Predicate::StartedAt(number.into()));
    let resource = |resource: Resource| Some(Predicate::Resource(resource, filter.resource(resource)?.clone().into()));
    let resources = Resource::ALL.into_iter().filter_map(resource);
    resources.chain(started_at).chain(filter.passed.map(Predicate::Passed)).collect()
}
