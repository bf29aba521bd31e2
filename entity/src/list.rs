//! Ordered, filtered lists of any noun: one list, or the same list under each of many parents in one statement.

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
pub trait Noun: EntityTrait<Model: FromRow + Clone + Send + Sync + 'static> {
    /// What its lists can be narrowed by.
    type Filter: Default + Clone + Debug + PartialEq + Send + Sync + 'static;
    /// What its lists can be ordered by; the default is the order in which rows came to be known.
    type Sort: Default + Copy + Debug + PartialEq + Send + Sync + 'static;

    /// The condition that `filter` sets, over the table's own name.
    fn condition(filter: &Self::Filter, engine: Engine) -> Condition;

    /// Like [`Self::condition`], for a statement that reads through a partitioned index ([`crate::key_range::partition`]): keeps
    /// SQLite from using an index on another foreign key.
    fn condition_by_partition(filter: &Self::Filter, engine: Engine) -> Condition {
        Self::condition(filter, engine)
    }

    /// The condition that a row is visible in lists.
    fn listed() -> Condition {
        Condition::all()
    }

    /// The column of `sort`: a 64-bit integer, never null in a visible row.
    fn sort_column(sort: Self::Sort) -> Self::Column;

    /// A row's value in that column.
    fn sort_key(sort: Self::Sort, row: &Self::Model) -> i64;

    /// A row's key.
    fn id(row: &Self::Model) -> i64;

    /// Whether a partitioned index ([`crate::key_range::partition`]) finds the rows that match.
    fn is_by_partition(_: &Self::Filter) -> bool {
        false
    }
}

/// The only order of entities that are not announced: their keys count up in order of arrival.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FirstSeen {
    /// The first metric, or the first session, of each.
    #[default]
    FirstSeen,
}

/// What [`Noun`] says of an entity whose only order is [`FirstSeen`].
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

/// The order of a list; ties go by the row's key in the same direction.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Order<S> {
    /// What to order by.
    pub by: S,
    /// Greatest first.
    pub descending: bool,
}

/// A place between two rows of an ordered list: that of the row it was taken from, whether that row still exists or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// The row's sort key.
    pub key: i64,
    /// The row's own key.
    pub id: i64,
}

/// A slice of a list: some rows that follow each other in its order.
#[derive(Debug, Clone)]
pub struct Slice<E: Noun> {
    /// Which rows.
    pub filter: Tree<E::Filter>,
    /// In which order.
    pub order: Order<E::Sort>,
    /// Only rows after this position.
    pub after: Option<Position>,
    /// Only rows before this position.
    pub before: Option<Position>,
    /// The maximum number of rows.
    pub limit: u64,
    /// Count the limit from the end; the rows still come in the list's order.
    pub from_end: bool,
}

impl<E: Noun> PartialEq for Slice<E> {
    fn eq(&self, other: &Self) -> bool {
        let Self { filter, order, after, before, limit, from_end } = self;
        *filter == other.filter
            && *order == other.order
            && (*after, *before) == (other.after, other.before)
            && (*limit, *from_end) == (other.limit, other.from_end)
    }
}

/// A way from a parent row to a list of children.
#[derive(Debug)]
pub struct Edge<E> {
    /// `parent.children`, unique among all edges.
    pub name: &'static str,
    /// The condition that a child belongs to the parent that the expression names.
    pub link: fn(Expr) -> Condition,
    /// Whether a partitioned index ([`crate::key_range::partition`]) finds the children.
    pub by_partition: bool,
    /// The child's entity.
    pub child: std::marker::PhantomData<E>,
}

impl<E> Edge<E> {
    /// An edge called `name`, drawn by `link`.
    pub const fn new(name: &'static str, link: fn(Expr) -> Condition) -> Self {
        Self { name, link, by_partition: false, child: std::marker::PhantomData }
    }

    /// Marks the edge as one whose children a partitioned index finds.
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

/// The condition of a whole filter, visible rows only.
pub(crate) fn condition<E: Noun>(filter: &Tree<E::Filter>, engine: Engine) -> Condition {
    Condition::all().add(E::listed()).add(filter.on(&|own| E::condition(own, engine)))
}

/// Like [`condition`], but restricts every leaf that can use a partitioned index to the partitions of `within`, so that the index is
/// used.
pub(crate) fn with_partitions<E: Noun>(filter: &Tree<E::Filter>, engine: Engine, within: KeyRange) -> Condition {
    let leads_to_all = filter.demands(&E::is_by_partition);
    let matches = |own: &E::Filter| {
        let leads = E::is_by_partition(own);
        let condition = if leads || leads_to_all { E::condition_by_partition } else { E::condition };
        condition(own, engine).add_option(if leads { engine.in_partitions(within) } else { None })
    };
    Condition::all().add(E::listed()).add(filter.on(&matches))
}

/// The condition of a whole filter along an edge, visible rows only.
fn along<E: Noun>(
    edge: Edge<E>,
    parents: &[i64],
    filter: &Tree<E::Filter>,
    engine: Engine,
    within: KeyRange,
) -> Condition {
    let condition = if edge.by_partition { E::condition_by_partition } else { E::condition };
    let matches = filter.on(&|own| condition(own, engine));
    // Under several parents the edge must find the rows: an index for the filter would scan all of its matches again for each parent.
    let matches = if parents.len() > 1 { engine.residual(matches) } else { matches };
    let in_partitions = if edge.by_partition { engine.in_partitions(within) } else { None };
    Condition::all().add(E::listed()).add(matches).add_option(in_partitions)
}

/// The list of `slice`: all of it, or those rows that the edge from these parents is still to be linked for.
fn select<E: Noun>(slice: &Slice<E>, engine: Engine, edge: Option<(Edge<E>, &[i64])>) -> SelectStatement {
    let Slice { filter, order, after, before, limit, from_end } = slice;
    let id = Expr::col((E::default(), "id"));
    let key = column::of(E::sort_column(order.by));
    let by_id = E::sort_column(order.by).as_str() == "id";
    let beyond = |place: &Position, ascending: bool| {
        let (place_key, place_id) = (Expr::val(place.key), Expr::val(place.id));
        let (here, there) = if by_id {
            (id.clone(), place_key)
        } else {
            (Expr::tuple([key.clone(), id.clone()]), Expr::tuple([place_key, place_id]))
        };
        if ascending { here.gt(there) } else { here.lt(there) }
    };
    let (front, back) = if order.descending { (before, after) } else { (after, before) };
    let key_of = |place: &Option<Position>| place.filter(|_| by_id).map(|place| place.key);
    let within = KeyRange { after: key_of(front).unwrap_or(0), until: key_of(back) };
    let (matches, is_by_partition) = match edge {
        None => (with_partitions::<E>(filter, engine, within), filter.demands(&E::is_by_partition)),
        Some((edge, parents)) => (along(edge, parents, filter, engine, within), edge.by_partition),
    };
    let direction = if order.descending == *from_end { Direction::Asc } else { Direction::Desc };
    let mut query = Query::select();
    query
        .columns(E::Column::iter().map(|column| (E::default(), column)))
        .from(E::default())
        .cond_where(matches)
        .and_where_option(after.as_ref().map(|place| beyond(place, !order.descending)))
        .and_where_option(before.as_ref().map(|place| beyond(place, order.descending)));
    // Partitions are in the order of keys: they are read one after another until there are enough rows.
    let part = || engine.partition().filter(|_| is_by_partition);
    if let Some(ahead) = if by_id { part() } else { Some(key) } {
        query.order_by_expr(ahead, direction.clone());
    }
    query.order_by_expr(id, direction).limit(*limit).take()
}

/// Sorts rows in the order of the list.
fn arrange<E: Noun>(order: Order<E::Sort>, rows: &mut [E::Model]) {
    rows.sort_by_key(|row| (E::sort_key(order.by, row), E::id(row)));
    if order.descending {
        rows.reverse();
    }
}

/// The rows of `slice`.
pub async fn rows<E: Noun>(db: &impl Source, slice: &Slice<E>) -> Result<Vec<E::Model>, DbErr> {
    rows_after(db, slice, 0).await
}

/// Returns the rows of `slice` after the first `skip`.
async fn rows_after<E: Noun>(db: &impl Source, slice: &Slice<E>, skip: u64) -> Result<Vec<E::Model>, DbErr> {
    let mut query = select(slice, db.engine(), None);
    if skip > 0 {
        query.offset(skip);
    }
    if db.engine().has_partitions() && slice.filter.demands(&E::is_by_partition) {
        query.clear_selects().expr_as(Expr::col((E::default(), "id")), "key");
        let mut rows = of_keys::<E>(db, query).await?;
        arrange::<E>(slice.order, &mut rows);
        return Ok(rows);
    }
    let mut rows = db.all::<E::Model>(&query).await?;
    if slice.from_end {
        rows.reverse();
    }
    Ok(rows)
}

/// Returns the rows whose keys `keys` selects as `key`, in any order. If many rows match and few are wanted, an index that covers the
/// keys spares reading the other rows.
pub(crate) async fn of_keys<E: Noun>(db: &impl Source, keys: SelectStatement) -> Result<Vec<E::Model>, DbErr> {
    let query = Query::select()
        .columns(E::Column::iter().map(|column| (E::default(), column)))
        .from_subquery(keys, "wanted")
        .join(JoinType::CrossJoin, E::default(), Condition::all())
        .and_where(Expr::col((E::default(), "id")).eq(Expr::col(("wanted", "key"))))
        .take();
    db.all(&query).await
}

/// The rows of `slice` under each of `parents`, in one statement. A parent without rows is absent.
pub async fn rows_under<E: Noun>(
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
        arrange::<E>(slice.order, rows);
    }
    Ok(lists)
}

/// How many rows match `filter`.
pub async fn count<E: Noun>(db: &impl Source, filter: &Tree<E::Filter>) -> Result<u64, DbErr> {
    let query = Query::select()
        .expr_as(Func::count(Expr::val(1)), "n")
        .from(E::default())
        .cond_where(with_partitions::<E>(filter, db.engine(), KeyRange::default()))
        .take();
    Ok(db.number(&query).await?.unsigned_abs())
}

/// How many rows under each of `parents` match `filter`, in one statement.
pub async fn counts_under<E: Noun>(
    db: &impl Source,
    edge: Edge<E>,
    parents: &[i64],
    filter: &Tree<E::Filter>,
) -> Result<HashMap<i64, u64>, DbErr> {
    let engine = db.engine();
    let mut count = Query::select()
        .expr(Func::count(Expr::val(1)))
        .from(E::default())
        .cond_where(along(edge, parents, filter, engine, KeyRange::default()))
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

/// The rows with these keys, in one statement; keys that lead nowhere are absent.
pub async fn by_ids<E: Noun>(db: &impl Source, ids: &[i64]) -> Result<HashMap<i64, E::Model>, DbErr> {
    let id = Expr::col((E::default(), "id"));
    let query = Query::select()
        .columns(E::Column::iter().map(|column| (E::default(), column)))
        .from(E::default())
        .and_where(db.engine().any_of(id, ids))
        .take();
    Ok(db.all::<E::Model>(&query).await?.into_iter().map(|row| (E::id(&row), row)).collect())
}

/// Which of the rows with these keys match `filter`, in one statement.
pub async fn matching<E: Noun>(db: &impl Source, filter: &Tree<E::Filter>, ids: &[i64]) -> Result<HashSet<i64>, DbErr> {
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

/// Page `number` (from 1) of the list, `size` rows each.
pub async fn page<E: Noun>(
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

/// The pairs of parent and number that `statement` selects.
pub(crate) async fn counts(db: &impl Source, statement: &SelectStatement) -> Result<HashMap<i64, u64>, DbErr> {
    let rows = db.all::<(i64, i64)>(statement).await?;
    Ok(rows.into_iter().map(|(parent, n)| (parent, n.unsigned_abs())).collect())
}
