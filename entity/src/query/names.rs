//! The names that filters compare with: which of them nothing has, and which names are like them.

use sea_orm::{
    DbErr, EntityTrait, Order,
    sea_query::{Condition, Expr, ExprTrait as _, Func, Query, SelectStatement, UnionType},
};

use crate::{
    column,
    dialect::Engine,
    driver::source::Source,
    filter::Text,
    table::{branch, build, component, execution_context, item, pipeline, project, session, tag, variant},
};

/// Number of names that one is compared with, the latest ones.
const MAX_COMPARED: u64 = 2000;

/// What has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NameOf {
    /// A component.
    Component,
    /// The dotted path of a module.
    Path,
    /// An item.
    Item,
    /// A variant.
    Variant,
    /// A pipeline.
    Pipeline,
    /// A build.
    Build,
    /// A project.
    Project,
    /// A branch.
    Branch,
    /// The revision of a session.
    ScmRef,
    /// A machine on the network.
    Machine,
    /// A tag.
    Tag,
}

impl NameOf {
    /// Returns the query for the names that meet a condition, which is made of the expression for the name.
    fn select(self, condition: impl FnOnce(Expr) -> Condition) -> (SelectStatement, Expr, Expr) {
        fn of<E: EntityTrait>(
            name: E::Column,
            condition: impl FnOnce(Expr) -> Condition,
        ) -> (SelectStatement, Expr, Expr) {
            let (name, id) = (column::of(name), Expr::col((E::default(), "id")));
            (Query::select().from(E::default()).cond_where(condition(name.clone())).take(), name, id)
        }
        match self {
            Self::Component => of::<component::Entity>(component::Column::Name, condition),
            Self::Path => of::<item::Entity>(item::Column::Path, condition),
            Self::Item => of::<item::Entity>(item::Column::Name, condition),
            Self::Variant => of::<variant::Entity>(variant::Column::Name, condition),
            Self::Pipeline => of::<pipeline::Entity>(pipeline::Column::Name, condition),
            Self::Build => of::<build::Entity>(build::Column::Name, condition),
            Self::Project => of::<project::Entity>(project::Column::Name, condition),
            Self::Branch => of::<branch::Entity>(branch::Column::Name, condition),
            Self::ScmRef => of::<session::Entity>(session::Column::ScmRef, condition),
            Self::Machine => of::<execution_context::Entity>(execution_context::Column::MachineNode, condition),
            Self::Tag => of::<tag::Entity>(tag::Column::Name, condition),
        }
    }

    /// Returns the condition that the name is exactly `name`, which an index can answer.
    fn is(self, expr: Expr, name: &str, engine: Engine) -> Condition {
        let starts_with = (self == Self::ScmRef).then(|| name.to_owned());
        Text { starts_with, ..Text::equals(name) }.on(expr, engine)
    }
}

/// Returns for each of these names whether something has it, in one statement.
///
/// # Errors
/// If the database fails.
pub async fn exist(db: &impl Source, names: &[(NameOf, String)]) -> Result<Vec<bool>, DbErr> {
    let look_up = |((of, name), number): (&(NameOf, String), i64)| {
        let (mut query, ..) = of.select(|expr| of.is(expr, name, db.engine()));
        let is_there = Expr::exists(query.expr(Expr::val(1)).take());
        Query::select().expr(Expr::val(number)).and_where(is_there).take()
    };
    let mut exist = vec![false; names.len()];
    let look_ups = names.iter().zip(0..).map(look_up);
    if let Some(mut all) = look_ups.reduce(|mut all, query| all.union(UnionType::All, query).take()) {
        for number in db.all::<i64>(&all.take()).await? {
            if let Some(exists) = usize::try_from(number).ok().and_then(|number| exist.get_mut(number)) {
                *exists = true;
            }
        }
    }
    Ok(exist)
}

/// Returns names that may be meant by `name`, which nothing has: those of about its length, and those that begin with it.
///
/// # Errors
/// If the database fails.
pub async fn candidates(db: &impl Source, of: NameOf, name: &str) -> Result<Vec<String>, DbErr> {
    let length = i64::try_from(name.chars().count()).unwrap_or(i64::MAX);
    let is_candidate = |expr: Expr| {
        let own = Expr::from(Func::char_length(expr.clone()));
        let of_length = own.clone().gte(length / 2).and(own.lte(length.saturating_mul(2)));
        let starts = Text { starts_with: Some(name.to_owned()), ..Text::default() }.on(expr, db.engine());
        Condition::any().add(of_length).add(starts)
    };
    let (mut query, expr, id) = of.select(is_candidate);
    let query = query
        .expr(expr.clone())
        .and_where(expr.clone().ne(""))
        .add_group_by([expr])
        .order_by_expr(Func::max(id).into(), Order::Desc)
        .limit(MAX_COMPARED)
        .take();
    db.all::<String>(&query).await
}
