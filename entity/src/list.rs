//! Ordered, filtered lists of any entity with keyset pagination: one list, or the same list under each of many parents in one
//! statement.

use std::{
    collections::{HashMap, HashSet},
    fmt::Debug,
};

use sea_orm::{
    DbErr, EntityTrait, Iterable as _, Order as Direction,
    sea_query::{Condition, Expr, ExprTrait as _, Func, Query, SelectStatement},
};

use crate::{
    column,
    dialect::Engine,
    driver::{row::FromRow, source::Source},
    filter::Tree,
};

/// An entity that can be listed.
pub trait Listable: EntityTrait<Model: FromRow + Clone + Send + Sync + 'static> {
    /// The filter of its lists.
    type Filter: Default + Clone + Debug + PartialEq + Send + Sync + 'static;
    /// The sort orders of its lists. The default is the order of arrival.
    type Sort: Default + Copy + Debug + PartialEq + Send + Sync + 'static;
    /// How its rows are found from those of another table.
    type Link: Copy + Debug + Send + Sync + 'static;

    /// Returns a row's value in the column of `sort`.
    fn sort_key(sort: Self::Sort, row: &Self::Model) -> i64;

    /// Returns a row's key.
    fn id(row: &Self::Model) -> i64;
}

/// Returns the condition that a row belongs to the parent with this key.
pub type Link = fn(Expr) -> Condition;

/// An entity whose lists are read by SQL.
pub trait SqlListable: Listable<Link = Link> {
    /// Returns the condition of `filter`, with columns qualified by the table's name.
    fn condition(filter: &Self::Filter, engine: Engine) -> Condition;

    /// Returns the condition that all listed rows meet.
    fn listed() -> Condition {
        Condition::all()
    }

    /// Returns the column of `sort`, a 64-bit integer that is never null in a listed row; `None` if it is the key.
    fn sort_column(_: Self::Sort) -> Option<Self::Column> {
        None
    }
}

/// The only order of entities that are not announced: their keys count up in order of arrival.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FirstSeen {
    /// By the first metric, or the first session, of each.
    #[default]
    FirstSeen,
}

/// Implements [`Listable`] for an entity whose only order is [`FirstSeen`].
macro_rules! in_order_first_seen {
    ($Filter:ty) => {
        impl crate::list::Listable for Entity {
            type Filter = $Filter;
            type Sort = crate::list::FirstSeen;
            type Link = crate::list::Link;

            fn sort_key(_: Self::Sort, row: &Model) -> i64 {
                row.id
            }

            fn id(row: &Model) -> i64 {
                row.id
            }
        }
    };
}
pub(crate) use in_order_first_seen;

/// The order of a list. Ties are broken by the row's key in the same direction.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Order<S> {
    /// What to order by.
    pub by: S,
    /// Greatest first.
    pub descending: bool,
}

/// A cursor position in an ordered list. It stays valid if its row no longer exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// The row's sort key.
    pub key: i64,
    /// The row's own key.
    pub id: i64,
}

/// A slice of an ordered list, between two cursor positions.
#[derive(Debug, Clone)]
pub struct Slice<E: Listable> {
    /// The filter of the list.
    pub filter: Tree<E::Filter>,
    /// The order of the list.
    pub order: Order<E::Sort>,
    /// Only rows after this position.
    pub after: Option<Position>,
    /// Only rows before this position.
    pub before: Option<Position>,
    /// Maximum number of rows.
    pub limit: u64,
    /// Returns the last rows rather than the first, still in the list's order.
    pub from_end: bool,
}

impl<E: Listable> PartialEq for Slice<E> {
    fn eq(&self, other: &Self) -> bool {
        let Self { filter, order, after, before, limit, from_end } = self;
        *filter == other.filter
            && *order == other.order
            && (*after, *before) == (other.after, other.before)
            && (*limit, *from_end) == (other.limit, other.from_end)
    }
}

impl<E: Listable> Slice<E> {
    /// Returns the slice of everything that matches, in order of arrival.
    pub fn all(filter: Tree<E::Filter>) -> Self {
        let limit = i64::MAX.unsigned_abs();
        Self { filter, order: Order::default(), after: None, before: None, limit, from_end: false }
    }
}

/// A relation from a parent row to a list of child rows.
#[derive(Debug)]
pub struct Edge<E: Listable> {
    /// `parent.children`, unique among all edges.
    pub name: &'static str,
    /// How the children are found.
    pub link: E::Link,
}

impl<E: SqlListable> Edge<E> {
    /// Creates an edge to rows that are read by SQL.
    pub(crate) const fn new(name: &'static str, link: Link) -> Self {
        Self { name, link }
    }
}

#[expect(clippy::expl_impl_clone_on_copy, reason = "a derived one would ask for `E: Clone`")]
impl<E: Listable> Clone for Edge<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E: Listable> Copy for Edge<E> {}

impl<E: Listable> PartialEq for Edge<E> {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// Returns the condition of a filter on listed rows.
pub(crate) fn condition<E: SqlListable>(filter: &Tree<E::Filter>, engine: Engine) -> Condition {
    Condition::all().add(E::listed()).add(filter.on(&|own| E::condition(own, engine)))
}

/// Returns the condition of a filter on the listed children of `parents`.
fn edge_condition<E: SqlListable>(parents: &[i64], filter: &Tree<E::Filter>, engine: Engine) -> Condition {
    let matches = filter.on(&|own| E::condition(own, engine));
    // Under several parents, rows must be found through the edge: an index of the filter would be searched again for each parent.
    let matches = if parents.len() > 1 { engine.residual(matches) } else { matches };
    Condition::all().add(E::listed()).add(matches)
}

/// Returns the query of `slice`, whose rows meet the condition `matches`.
fn select<E: SqlListable>(slice: &Slice<E>, matches: Condition) -> SelectStatement {
    let Slice { filter: _, order, after, before, limit, from_end } = slice;
    let id = Expr::col((E::default(), "id"));
    let key = E::sort_column(order.by).map(column::of);
    let past = |position: &Position, ascending: bool| {
        let (position_key, position_id) = (Expr::val(position.key), Expr::val(position.id));
        let (row, position) = match &key {
            None => (id.clone(), position_key),
            Some(key) => (Expr::tuple([key.clone(), id.clone()]), Expr::tuple([position_key, position_id])),
        };
        if ascending { row.gt(position) } else { row.lt(position) }
    };
    let direction = if order.descending == *from_end { Direction::Asc } else { Direction::Desc };
    let mut query = Query::select();
    query
        .columns(E::Column::iter().map(|column| (E::default(), column)))
        .from(E::default())
        .cond_where(matches)
        .and_where_option(after.as_ref().map(|position| past(position, !order.descending)))
        .and_where_option(before.as_ref().map(|position| past(position, order.descending)));
    if let Some(key) = &key {
        query.order_by_expr(key.clone(), direction.clone());
    }
    query.order_by_expr(id, direction).limit(*limit).take()
}

/// Sorts the rows of a statement in the list's order.
fn sort_rows<E: SqlListable>(order: Order<E::Sort>, rows: &mut [E::Model]) {
    rows.sort_by_key(|row| (E::sort_key(order.by, row), E::id(row)));
    if order.descending {
        rows.reverse();
    }
}

/// Returns the rows of `slice`.
pub(crate) async fn rows<E: SqlListable>(db: &impl Source, slice: &Slice<E>) -> Result<Vec<E::Model>, DbErr> {
    rows_after(db, slice, 0).await
}

/// Returns the rows of `slice` after the first `skip`.
async fn rows_after<E: SqlListable>(db: &impl Source, slice: &Slice<E>, skip: u64) -> Result<Vec<E::Model>, DbErr> {
    let mut query = select(slice, condition::<E>(&slice.filter, db.engine()));
    if skip > 0 {
        query.offset(skip);
    }
    let mut rows = db.all::<E::Model>(&query).await?;
    if slice.from_end {
        rows.reverse();
    }
    Ok(rows)
}

/// Returns the rows of `slice` under each of `parents`, in one statement. Parents without rows are absent.
pub(crate) async fn rows_under<E: SqlListable>(
    db: &impl Source,
    edge: Edge<E>,
    parents: &[i64],
    slice: &Slice<E>,
) -> Result<HashMap<i64, Vec<E::Model>>, DbErr> {
    let engine = db.engine();
    let mut list = select(slice, edge_condition::<E>(parents, &slice.filter, engine));
    let mut lists: HashMap<i64, Vec<E::Model>> = HashMap::with_capacity(parents.len());
    if let [parent] = parents {
        let rows = db.all(list.cond_where((edge.link)(Expr::val(*parent)))).await?;
        lists.insert(*parent, rows);
    } else {
        let (mut query, parent) = engine.parents(parents);
        list.cond_where((edge.link)(parent.clone()));
        let listed = engine.join_list(&mut query, E::default().table_name(), list);
        query.expr_as(parent, "parent_id").columns(E::Column::iter().map(|column| (listed, column)));
        for (parent, row) in db.all::<(i64, E::Model)>(&query).await? {
            lists.entry(parent).or_default().push(row);
        }
    }
    for rows in lists.values_mut() {
        sort_rows::<E>(slice.order, rows);
    }
    Ok(lists)
}

/// Returns the number of rows that match `filter`.
pub async fn count<E: SqlListable>(db: &impl Source, filter: &Tree<E::Filter>) -> Result<u64, DbErr> {
    let query = Query::select()
        .expr_as(Func::count(Expr::val(1)), "n")
        .from(E::default())
        .cond_where(condition::<E>(filter, db.engine()))
        .take();
    Ok(db.number(&query).await?.unsigned_abs())
}

/// Returns the number of rows under each of `parents` that match `filter`, in one statement.
pub(crate) async fn counts_under<E: SqlListable>(
    db: &impl Source,
    edge: Edge<E>,
    parents: &[i64],
    filter: &Tree<E::Filter>,
) -> Result<HashMap<i64, u64>, DbErr> {
    let engine = db.engine();
    let mut count = Query::select()
        .expr(Func::count(Expr::val(1)))
        .from(E::default())
        .cond_where(edge_condition::<E>(parents, filter, engine))
        .take();
    if let [parent] = parents {
        let number = db.number(count.cond_where((edge.link)(Expr::val(*parent)))).await?;
        return Ok(HashMap::from([(*parent, number.unsigned_abs())]));
    }
    let (mut query, parent) = engine.parents(parents);
    count.cond_where((edge.link)(parent.clone()));
    query.expr_as(parent, "parent_id").expr_as(Expr::from(count), "n");
    counts(db, &query).await
}

/// Returns the parent of each child of `parents`, in one statement.
pub(crate) async fn parents_under<E: SqlListable>(
    db: &impl Source,
    edge: Edge<E>,
    parents: &[i64],
) -> Result<HashMap<i64, i64>, DbErr> {
    let (mut query, parent) = db.engine().parents(parents);
    let children =
        Query::select().column((E::default(), "id")).from(E::default()).cond_where((edge.link)(parent.clone())).take();
    let listed = db.engine().join_list(&mut query, E::default().table_name(), children);
    query.expr_as(Expr::col((listed, "id")), "child_id").expr_as(parent, "parent_id");
    Ok(db.all::<(i64, i64)>(&query).await?.into_iter().collect())
}

/// Returns the rows with these keys, in one statement. Keys without a row are absent.
pub async fn by_ids<E: SqlListable>(db: &impl Source, ids: &[i64]) -> Result<HashMap<i64, E::Model>, DbErr> {
    let id = Expr::col((E::default(), "id"));
    let query = Query::select()
        .columns(E::Column::iter().map(|column| (E::default(), column)))
        .from(E::default())
        .and_where(db.engine().any_of(id, ids))
        .take();
    Ok(db.all::<E::Model>(&query).await?.into_iter().map(|row| (E::id(&row), row)).collect())
}

/// Returns which of the rows with these keys match `filter`, in one statement.
pub(crate) async fn matching<E: SqlListable>(
    db: &impl Source,
    filter: &Tree<E::Filter>,
    ids: &[i64],
) -> Result<HashSet<i64>, DbErr> {
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let id = Expr::col((E::default(), "id"));
    let query = Query::select()
        .expr(id.clone())
        .from(E::default())
        .and_where(db.engine().any_of(id, ids))
        .cond_where(condition::<E>(filter, db.engine()))
        .take();
    Ok(db.all::<i64>(&query).await?.into_iter().collect())
}

/// Returns page `number` (from 1) of the list, with `size` rows each.
pub(crate) async fn page<E: SqlListable>(
    db: &impl Source,
    filter: &Tree<E::Filter>,
    number: u64,
    size: u64,
) -> Result<Vec<E::Model>, DbErr> {
    let slice: Slice<E> = Slice {
        filter: filter.clone(),
        order: Order::default(),
        after: None,
        before: None,
        limit: size,
        from_end: false,
    };
    rows_after(db, &slice, (number - 1).saturating_mul(size)).await
}

/// Returns the pairs of parent and count that `statement` selects.
pub(crate) async fn counts(db: &impl Source, statement: &SelectStatement) -> Result<HashMap<i64, u64>, DbErr> {
    let rows = db.all::<(i64, i64)>(statement).await?;
    Ok(rows.into_iter().map(|(parent, n)| (parent, n.unsigned_abs())).collect())
}
