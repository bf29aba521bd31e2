//! Loader keys: the look-ups that can be batched.

use std::{
    collections::HashMap,
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    marker::PhantomData,
    sync::Arc,
};

use async_graphql::Context;
use entity::{
    announced::{self, Announced},
    edges,
    filter::Tree,
    list::{self, Edge, Listable, Slice},
    query::{
        Query, Store,
        metrics::{self, Ranking},
    },
    table::{
        metric, session_tag, tag,
        variant::{self, VariantNames},
    },
};

use crate::{
    error::Error,
    graphql::{
        error::FieldResult,
        lists::dataloader::{LoaderKey, loaders_of},
    },
};

/// Loads a row by its id.
pub struct RowById<E>(i64, PhantomData<fn() -> E>);

impl<E> RowById<E> {
    /// Creates the key of the row with this id.
    pub fn new(id: i64) -> Self {
        Self(id, PhantomData)
    }
}

impl<E> Clone for RowById<E> {
    fn clone(&self) -> Self {
        Self(self.0, PhantomData)
    }
}

impl<E> PartialEq for RowById<E> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<E> Eq for RowById<E> {}

impl<E> Hash for RowById<E> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<E: Query> LoaderKey for RowById<E> {
    type Value = E::Model;

    async fn load(db: &Store, keys: &[Self]) -> Result<HashMap<Self, E::Model>, Error> {
        let ids: Vec<i64> = keys.iter().map(|key| key.0).collect();
        Ok(E::by_ids(db, &ids).await?.into_iter().map(|(id, row)| (Self::new(id), row)).collect())
    }
}

/// Loads the row that a foreign key refers to.
///
/// # Errors
/// [`Code::DatabaseUnavailable`](crate::error::Code::DatabaseUnavailable) if there is none: it was just deleted.
pub async fn load_row<E: Query>(ctx: &Context<'_>, id: i64) -> FieldResult<E::Model> {
    let row = loaders_of(ctx).load(RowById::<E>::new(id)).await?;
    Ok(row.ok_or_else(Error::deleted_meanwhile)?)
}

/// Loads a tag by its id. Tags never change once stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TagById(pub i64);

impl LoaderKey for TagById {
    type Value = Arc<tag::Model>;

    async fn load(db: &Store, keys: &[Self]) -> Result<HashMap<Self, Self::Value>, Error> {
        let ids: Vec<i64> = keys.iter().map(|key| key.0).collect();
        let rows = list::by_ids::<tag::Entity>(db, &ids).await?;
        Ok(rows.into_iter().map(|(id, row)| (Self(id), Arc::new(row))).collect())
    }
}

/// Loads the ids of the tags of an announced session, by the session's id. They never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TagIdsBySession(pub i64);

impl LoaderKey for TagIdsBySession {
    type Value = Arc<[i64]>;

    async fn load(db: &Store, keys: &[Self]) -> Result<HashMap<Self, Self::Value>, Error> {
        let ids: Vec<i64> = keys.iter().map(|key| key.0).collect();
        let mut tags = session_tag::keys_by_sessions(db, &ids).await?;
        Ok(keys.iter().map(|key| (*key, tags.remove(&key.0).unwrap_or_default().into())).collect())
    }
}

/// Loads the names that all metrics of a variant share, by the variant's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VariantNamesById(pub i64);

impl LoaderKey for VariantNamesById {
    type Value = Arc<VariantNames>;

    async fn load(db: &Store, keys: &[Self]) -> Result<HashMap<Self, Self::Value>, Error> {
        let ids: Vec<i64> = keys.iter().map(|key| key.0).collect();
        Ok(variant::names(db, &ids).await?.into_iter().map(|(id, names)| (Self(id), Arc::new(names))).collect())
    }
}

/// Loads the number of metrics of a component or an item, from the counters of their variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MetricCount {
    /// Of the component with this id.
    Component(i64),
    /// Of the item with this id.
    Item(i64),
}

impl LoaderKey for MetricCount {
    type Value = u64;

    async fn load(db: &Store, keys: &[Self]) -> Result<HashMap<Self, u64>, Error> {
        let ids = |pick: fn(&Self) -> Option<i64>| keys.iter().filter_map(pick).collect::<Vec<_>>();
        let components = ids(|key| if let Self::Component(id) = key { Some(*id) } else { None });
        let items = ids(|key| if let Self::Item(id) = key { Some(*id) } else { None });
        let mut counts = HashMap::with_capacity(keys.len());
        for (edge, ids, key) in [
            (edges::VARIANTS_OF_COMPONENT, components, Self::Component as fn(i64) -> Self),
            (edges::VARIANTS_OF_ITEM, items, Self::Item),
        ] {
            if !ids.is_empty() {
                let sums = variant::metric_counts_under(db, edge, &ids).await?;
                counts.extend(sums.into_iter().map(|(id, sum)| (key(id), sum)));
            }
        }
        Ok(counts)
    }
}

/// Loads the hash of a session or execution context, by its id.
pub struct HashById<E>(pub RowById<E>);

impl<E> Clone for HashById<E> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<E> PartialEq for HashById<E> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<E> Eq for HashById<E> {}

impl<E> Hash for HashById<E> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<E: Announced> LoaderKey for HashById<E> {
    type Value = Arc<str>;

    async fn load(db: &Store, keys: &[Self]) -> Result<HashMap<Self, Self::Value>, Error> {
        let ids: Vec<i64> = keys.iter().map(|HashById(row)| row.0).collect();
        let hashes = announced::hashes::<E>(db, &ids).await?;
        Ok(hashes.into_iter().map(|(id, hash)| (Self(RowById::new(id)), hash.into())).collect())
    }
}

/// A query that is run for several parents at once.
struct SharedQuery<Q> {
    query: Q,
    /// Computed once: the keys of all parents share the query.
    hash: u64,
}

impl<Q: PartialEq> PartialEq for SharedQuery<Q> {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.query == other.query
    }
}

// `PartialEq` is reflexive here: JSON and GraphQL have no NaN.
impl<Q: PartialEq> Eq for SharedQuery<Q> {}

impl<Q> Hash for SharedQuery<Q> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// A query for one parent. Keys with the same query are loaded together.
pub struct PerParent<Q> {
    pub(crate) parent: i64,
    shared: Arc<SharedQuery<Q>>,
}

impl<Q: PartialEq> PerParent<Q> {
    /// Creates a key. Its hash is that of `hashed` and `filter`, which differ between most queries.
    pub(crate) fn new<F: Default + PartialEq + fmt::Debug>(
        parent: i64,
        query: Q,
        hashed: impl Hash,
        filter: &F,
    ) -> Self {
        let mut state = DefaultHasher::new();
        hashed.hash(&mut state);
        // Filters contain floats, which do not implement `Hash`. Most lists have no filter, so formatting one is rare.
        if *filter != F::default() {
            format!("{filter:?}").hash(&mut state);
        }
        Self { parent, shared: Arc::new(SharedQuery { query, hash: state.finish() }) }
    }

    /// Groups keys by query.
    pub(crate) fn by_query(keys: &[Self]) -> Vec<(&Q, Vec<&Self>)> {
        let mut groups: HashMap<&SharedQuery<Q>, Vec<&Self>> = HashMap::new();
        for key in keys {
            groups.entry(&key.shared).or_default().push(key);
        }
        groups.into_iter().map(|(shared, keys)| (&shared.query, keys)).collect()
    }
}

impl<Q> Clone for PerParent<Q> {
    fn clone(&self) -> Self {
        Self { parent: self.parent, shared: Arc::clone(&self.shared) }
    }
}

impl<Q: PartialEq> PartialEq for PerParent<Q> {
    fn eq(&self, other: &Self) -> bool {
        self.parent == other.parent && self.shared == other.shared
    }
}

impl<Q: PartialEq> Eq for PerParent<Q> {}

impl<Q> Hash for PerParent<Q> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parent.hash(state);
        self.shared.hash(state);
    }
}

/// Loads a window of the list that an edge leads to from a parent.
pub struct ChildRows<E: Listable> {
    edge: Edge<E>,
    slice: Slice<E>,
}

impl<E: Listable> PartialEq for ChildRows<E> {
    fn eq(&self, other: &Self) -> bool {
        self.edge == other.edge && self.slice == other.slice
    }
}

impl<E: Listable> ChildRows<E> {
    /// Creates the key of the window `slice` for one parent.
    pub fn key(edge: Edge<E>, parent: i64, slice: &Slice<E>) -> PerParent<Self> {
        let Slice { filter, after, before, limit, from_end, .. } = slice;
        let hashed = (edge.name, *after, *before, *limit, *from_end);
        PerParent::new(parent, Self { edge, slice: slice.clone() }, hashed, filter)
    }
}

impl<E: Query> LoaderKey for PerParent<ChildRows<E>> {
    type Value = Vec<E::Model>;

    async fn load(db: &Store, keys: &[Self]) -> Result<HashMap<Self, Self::Value>, Error> {
        let mut lists = HashMap::with_capacity(keys.len());
        for (ChildRows { edge, slice }, keys) in Self::by_query(keys) {
            let parents: Vec<i64> = keys.iter().map(|key| key.parent).collect();
            let mut rows = E::rows_under(db, *edge, &parents, slice).await?;
            lists.extend(keys.into_iter().map(|key| (key.clone(), rows.remove(&key.parent).unwrap_or_default())));
        }
        Ok(lists)
    }
}

/// Loads the length of the list that an edge leads to from a parent.
pub struct ChildCount<E: Listable> {
    edge: Edge<E>,
    filter: Tree<E::Filter>,
}

impl<E: Listable> PartialEq for ChildCount<E> {
    fn eq(&self, other: &Self) -> bool {
        self.edge == other.edge && self.filter == other.filter
    }
}

impl<E: Listable> ChildCount<E> {
    /// Creates the key of the number of rows that match, for one parent.
    pub fn key(edge: Edge<E>, parent: i64, filter: &Tree<E::Filter>) -> PerParent<Self> {
        PerParent::new(parent, Self { edge, filter: filter.clone() }, edge.name, filter)
    }
}

impl<E: Query> LoaderKey for PerParent<ChildCount<E>> {
    type Value = u64;

    async fn load(db: &Store, keys: &[Self]) -> Result<HashMap<Self, u64>, Error> {
        let mut counts = HashMap::with_capacity(keys.len());
        for (ChildCount { edge, filter }, keys) in Self::by_query(keys) {
            let parents: Vec<i64> = keys.iter().map(|key| key.parent).collect();
            let numbers = E::counts_under(db, *edge, &parents, filter).await?;
            counts.extend(keys.into_iter().map(|key| (key.clone(), numbers.get(&key.parent).copied().unwrap_or(0))));
        }
        Ok(counts)
    }
}

/// Loads the ranking of the metrics that an edge leads to from a parent.
#[derive(PartialEq)]
pub struct ChildRanking {
    edge: Edge<metric::Entity>,
    ranking: Ranking,
}

impl ChildRanking {
    /// Creates the key of the ranking for one parent.
    pub fn key(edge: Edge<metric::Entity>, parent: i64, ranking: &Ranking) -> PerParent<Self> {
        let hashed = (edge.name, ranking.limit, ranking.distinct_variants);
        PerParent::new(parent, Self { edge, ranking: ranking.clone() }, hashed, &ranking.filter)
    }
}

impl LoaderKey for PerParent<ChildRanking> {
    type Value = Vec<metric::Model>;

    async fn load(db: &Store, keys: &[Self]) -> Result<HashMap<Self, Self::Value>, Error> {
        let mut lists = HashMap::with_capacity(keys.len());
        for (ChildRanking { edge, ranking }, keys) in Self::by_query(keys) {
            let parents: Vec<i64> = keys.iter().map(|key| key.parent).collect();
            let mut rows = metrics::top_under(db, *edge, &parents, ranking).await?;
            lists.extend(keys.into_iter().map(|key| (key.clone(), rows.remove(&key.parent).unwrap_or_default())));
        }
        Ok(lists)
    }
}

#[cfg(test)]
mod tests {
    use crate::graphql::lists::loader_keys::PerParent;

    #[test]
    fn keys_of_one_query_are_loaded_together() {
        let key = |parent, query| PerParent::new(parent, query, 0, &());
        // All hashes are equal: so queries are distinguished by comparison.
        let keys = [key(1, "sessions"), key(2, "metrics"), key(3, "sessions")];
        let mut groups: Vec<(&str, Vec<i64>)> = PerParent::by_query(&keys)
            .into_iter()
            .map(|(query, keys)| (*query, keys.into_iter().map(|key| key.parent).collect()))
            .collect();
        groups.sort_unstable();
        assert_eq!(groups, [("metrics", vec![2]), ("sessions", vec![1, 3])]);
        assert!(keys[0] == key(1, "sessions") && keys[0] != keys[2] && keys[0] != key(1, "metrics"));
    }
}
