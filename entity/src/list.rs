//! Ordered, filtered lists of any entity with keyset pagination: one list, or the same list under each of many parents in one
//! statement.

use std::{
    collections::{HashMap, HashSet},
    fmt::Debug,
};

use sea_orm::{
    DbErr, EntityTrait, IdenStatic as _, Iterable as _, Order as Direction,
    sea_query::{Condition, Expr, ExprTrait as _, Func, JoinType, Query, SelectStatement},
};

use crate::{
    column,
    dialect::Engine,
    driver::{row::FromRow, source::Source},
    filter::Tree,
    key_range::KeyRange,
};

/// An entity that can be listed.
pub trait Listable: EntityTrait<Model: FromRow + Clone + Send + Sync + 'static> {
    /// The filter of its lists.
    type Filter: Default + Clone + Debug + PartialEq + Send + Sync + 'static;
    /// The sort orders of its lists. The default is the order of arrival.
    type Sort: Default + Copy + Debug + PartialEq + Send + Sync + 'static;

    /// Returns the condition of `filter`, with columns qualified by the table's name.
    fn condition(filter: &Self::Filter, engine: Engine) -> Condition;

    /// Like [`Self::condition`], for use with a partitioned index ([`crate::key_range::partition`]): conditions on other
    /// parents are residual predicates.
    fn condition_by_partition(filter: &Self::Filter, engine: Engine) -> Condition {
        Self::condition(filter, engine)
    }

    /// Returns the condition that all listed rows meet.
    fn listed() -> Condition {
        Condition::all()
    }

    /// Returns the column of `sort`: a 64-bit integer, never null in a listed row.
    fn sort_column(sort: Self::Sort) -> Self::Column;

    /// Returns a row's value in that column.
    fn sort_key(sort: Self::Sort, row: &Self::Model) -> i64;

    /// Returns a row's key.
    fn id(row: &Self::Model) -> i64;

    /// Returns whether the rows that match are read through a partitioned index ([`crate::key_range::partition`]).
    fn is_by_partition(_: &Self::Filter) -> bool {
        false
    }
}

/// The only order of entities that are not announced: their keys count up in order of arrival.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FirstSeen {
    /// By the first metric, or the first session, of each.
    #[default]
    FirstSeen,
}

/// The part of [`Listable`] that entities share whose only order is [`FirstSeen`].
macro_rules! in_order_first_seen {
    () => {
        type Sort = crate::list::FirstSeen;

        fn sort_column(_: Self::Sort) -> Column {
            Column::Id
        }

        fn sort_key(_: Self::Sort, row: &Model) -> i64 {
            row.id
        }

        fn id(row: &Model) -> i64 {
            row.id
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

/// A relation from a parent row to a list of child rows.
#[derive(Debug)]
pub struct Edge<E> {
    /// `parent.children`, unique among all edges.
    pub name: &'static str,
    /// Returns the condition that a child belongs to the parent with this key.
    pub link: fn(Expr) -> Condition,
    /// Whether the children are read through a partitioned index ([`crate::key_range::partition`]).
    pub by_partition: bool,
    /// The entity of the children.
    pub child: std::marker::PhantomData<E>,
}

impl<E> Edge<E> {
    /// Creates an edge.
    pub const fn new(name: &'static str, link: fn(Expr) -> Condition) -> Self {
        Self { name, link, by_partition: false, child: std::marker::PhantomData }
    }

    /// Marks the children as read through a partitioned index.
    pub(crate) const fn by_partition(self) -> Self {
        Self { by_partition: true, ..self }
    }
}

impl<E> Clone for Edge<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for Edge<E> {}

impl<E> PartialEq for Edge<E> {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// Returns the condition of a filter on listed rows.
pub(crate) fn condition<E: Listable>(filter: &Tree<E::Filter>, engine: Engine) -> Condition {
    Condition::all().add(E::listed()).add(filter.on(&|own| E::condition(own, engine)))
}

/// Like [`condition`], but restricts every leaf that can use the partitioned index to the partitions of `within`.
pub(crate) fn with_partitions<E: Listable>(filter: &Tree<E::Filter>, engine: Engine, within: KeyRange) -> Condition {
    let is_required = filter.requires(&E::is_by_partition);
    let matches = |own: &E::Filter| {
        let is_by_partition = E::is_by_partition(own);
        let condition = if is_by_partition || is_required { E::condition_by_partition } else { E::condition };
        condition(own, engine).add_option(if is_by_partition { engine.in_partitions(within) } else { None })
    };
    Condition::all().add(E::listed()).add(filter.on(&matches))
}

/// Returns the condition of a filter on the listed children of `parents`.
fn edge_condition<E: Listable>(
    edge: Edge<E>,
    parents: &[i64],
    filter: &Tree<E::Filter>,
    engine: Engine,
    within: KeyRange,
) -> Condition {
    let condition = if edge.by_partition { E::condition_by_partition } else { E::condition };
    let matches = filter.on(&|own| condition(own, engine));
    // Under several parents, rows must be found through the edge: an index of the filter would be searched again for each parent.
    let matches = if parents.len() > 1 { engine.residual(matches) } else { matches };
    let in_partitions = if edge.by_partition { engine.in_partitions(within) } else { None };
    Condition::all().add(E::listed()).add(matches).add_option(in_partitions)
}

/// Returns the query of `slice`. With an edge from parents, the caller adds the link to each parent.
fn select<E: Listable>(slice: &Slice<E>, engine: Engine, edge: Option<(Edge<E>, &[i64])>) -> SelectStatement {
    let Slice { filter, order, after, before, limit, from_end } = slice;
    let id = Expr::col((E::default(), "id"));
    let key = column::of(E::sort_column(order.by));
    let by_id = E::sort_column(order.by).as_str() == "id";
    let past = |position: &Position, ascending: bool| {
        let (position_key, position_id) = (Expr::val(position.key), Expr::val(position.id));
        let (row, position) = if by_id {
            (id.clone(), position_key)
        } else {
            (Expr::tuple([key.clone(), id.clone()]), Expr::tuple([position_key, position_id]))
        };
        if ascending { row.gt(position) } else { row.lt(position) }
    };
    let (front, back) = if order.descending { (before, after) } else { (after, before) };
    let key_of = |position: &Option<Position>| position.filter(|_| by_id).map(|position| position.key);
    let within = KeyRange { after: key_of(front).unwrap_or(0), until: key_of(back) };
    let (matches, is_by_partition) = match edge {
        None => (with_partitions::<E>(filter, engine, within), filter.requires(&E::is_by_partition)),
        Some((edge, parents)) => (edge_condition(edge, parents, filter, engine, within), edge.by_partition),
    };
    let direction = if order.descending == *from_end { Direction::Asc } else { Direction::Desc };
    let mut query = Query::select();
    query
        .columns(E::Column::iter().map(|column| (E::default(), column)))
        .from(E::default())
        .cond_where(matches)
        .and_where_option(after.as_ref().map(|position| past(position, !order.descending)))
        .and_where_option(before.as_ref().map(|position| past(position, order.descending)));
    // Partitions are in the order of keys, so they are read one after the other until the limit is reached.
    let partition = || engine.partition().filter(|_| is_by_partition);
    if let Some(first) = if by_id { partition() } else { Some(key) } {
        query.order_by_expr(first, direction.clone());
    }
    query.order_by_expr(id, direction).limit(*limit).take()
}

/// Sorts the rows of a statement in the list's order.
fn sort_rows<E: Listable>(order: Order<E::Sort>, rows: &mut [E::Model]) {
    rows.sort_by_key(|row| (E::sort_key(order.by, row), E::id(row)));
    if order.descending {
        rows.reverse();
    }
}

/// Returns the rows of `slice`.
pub async fn rows<E: Listable>(db: &impl Source, slice: &Slice<E>) -> Result<Vec<E::Model>, DbErr> {
    rows_after(db, slice, 0).await
}

/// Returns the rows of `slice` after the first `skip`.
async fn rows_after<E: Listable>(db: &impl Source, slice: &Slice<E>, skip: u64) -> Result<Vec<E::Model>, DbErr> {
    let mut query = select(slice, db.engine(), None);
    if skip > 0 {
        query.offset(skip);
    }
    if db.engine().has_partitions() && slice.filter.requires(&E::is_by_partition) {
        query.clear_selects().expr_as(Expr::col((E::default(), "id")), "key");
        let mut rows = rows_of_keys::<E>(db, query).await?;
        sort_rows::<E>(slice.order, &mut rows);
        return Ok(rows);
    }
    let mut rows = db.all::<E::Model>(&query).await?;
    if slice.from_end {
        rows.reverse();
    }
    Ok(rows)
}

/// Returns the rows whose keys `keys` selects as `key`, in any order. The keys of many matches come from a covering index; only
/// the few rows of the limit are read.
pub(crate) async fn rows_of_keys<E: Listable>(db: &impl Source, keys: SelectStatement) -> Result<Vec<E::Model>, DbErr> {
    let query = Query::select()
        .columns(E::Column::iter().map(|column| (E::default(), column)))
        .from_subquery(keys, "wanted")
        .join(JoinType::CrossJoin, E::default(), Condition::all())
        .and_where(Expr::col((E::default(), "id")).eq(Expr::col(("wanted", "key"))))
        .take();
    db.all(&query).await
}

/// Returns the rows of `slice` under each of `parents`, in one statement. Parents without rows are absent.
pub async fn rows_under<E: Listable>(
    db: &impl Source,
    edge: Edge<E>,
    parents: &[i64],
    slice: &Slice<E>,
) -> Result<HashMap<i64, Vec<E::Model>>, DbErr> {
    let engine = db.engine();
    let mut list = select(slice, engine, Some((edge, parents)));
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
pub async fn count<E: Listable>(db: &impl Source, filter: &Tree<E::Filter>) -> Result<u64, DbErr> {
    let query = Query::select()
        .expr_as(Func::count(Expr::val(1)), "n")
        .from(E::default())
        .cond_where(with_partitions::<E>(filter, db.engine(), KeyRange::default()))
        .take();
    Ok(db.number(&query).await?.unsigned_abs())
}

/// Returns the number of rows under each of `parents` that match `filter`, in one statement.
pub async fn counts_under<E: Listable>(
    db: &impl Source,
    edge: Edge<E>,
    parents: &[i64],
    filter: &Tree<E::Filter>,
) -> Result<HashMap<i64, u64>, DbErr> {
    let engine = db.engine();
    let mut count = Query::select()
        .expr(Func::count(Expr::val(1)))
        .from(E::default())
        .cond_where(edge_condition(edge, parents, filter, engine, KeyRange::default()))
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

/// Returns the rows with these keys, in one statement. Keys without a row are absent.
pub async fn by_ids<E: Listable>(db: &impl Source, ids: &[i64]) -> Result<HashMap<i64, E::Model>, DbErr> {
    let id = Expr::col((E::default(), "id"));
    let query = Query::select()
        .columns(E::Column::iter().map(|column| (E::default(), column)))
        .from(E::default())
        .and_where(db.engine().any_of(id, ids))
        .take();
    Ok(db.all::<E::Model>(&query).await?.into_iter().map(|row| (E::id(&row), row)).collect())
}

/// Returns which of the rows with these keys match `filter`, in one statement.
pub async fn matching<E: Listable>(
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
pub async fn page<E: Listable>(
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
