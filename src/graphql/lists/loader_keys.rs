//! What can be looked up for many objects at once.

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
    driver::executor::Reader,
    edges,
    filter::Tree,
    list::{self, Edge, Noun, Slice},
    table::{
        session_tag, tag,
        variant::{self, Words},
    },
};

use crate::{
    error::{Code, Error},
    graphql::{
        error::FieldResult,
        lists::dataloader::{Key, loaders_of},
    },
};

/// A row by its key.
pub struct Row<E>(i64, PhantomData<fn() -> E>);

impl<E> Row<E> {
    /// The row with this key.
    pub fn key(id: i64) -> Self {
        Self(id, PhantomData)
    }
}

impl<E> Clone for Row<E> {
    fn clone(&self) -> Self {
        Self(self.0, PhantomData)
    }
}

impl<E> PartialEq for Row<E> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<E> Eq for Row<E> {}

impl<E> Hash for Row<E> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<E: Noun> Key for Row<E> {
    type Value = E::Model;

    async fn load(db: &Reader, keys: &[Self]) -> Result<HashMap<Self, E::Model>, Error> {
        let ids: Vec<i64> = keys.iter().map(|key| key.0).collect();
        Ok(list::by_ids::<E>(db, &ids).await?.into_iter().map(|(id, row)| (Self::key(id), row)).collect())
    }
}

/// The row that a stored reference leads to.
pub async fn stored<E: Noun>(ctx: &Context<'_>, id: i64, key: fn(i64) -> Row<E>) -> FieldResult<E::Model> {
    let row = loaders_of(ctx).load(key(id)).await?;
    Ok(row.ok_or_else(|| Error::new(Code::Internal, "a reference leads nowhere"))?)
}

/// A tag, by its key. It never changes once stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TagOf(pub i64);

impl Key for TagOf {
    type Value = Arc<tag::Model>;

    async fn load(db: &Reader, keys: &[Self]) -> Result<HashMap<Self, Self::Value>, Error> {
        let ids: Vec<i64> = keys.iter().map(|key| key.0).collect();
        let rows = list::by_ids::<tag::Entity>(db, &ids).await?;
        Ok(rows.into_iter().map(|(id, row)| (Self(id), Arc::new(row))).collect())
    }
}

/// The keys of the tags of a session that is announced, by its own key. They never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TagsOf(pub i64);

impl Key for TagsOf {
    type Value = Arc<[i64]>;

    async fn load(db: &Reader, keys: &[Self]) -> Result<HashMap<Self, Self::Value>, Error> {
        let ids: Vec<i64> = keys.iter().map(|key| key.0).collect();
        let mut tags = session_tag::keys_by_sessions(db, &ids).await?;
        Ok(keys.iter().map(|key| (*key, tags.remove(&key.0).unwrap_or_default().into())).collect())
    }
}

/// The words of a variant, by its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WordsOf(pub i64);

impl Key for WordsOf {
    type Value = Arc<Words>;

    async fn load(db: &Reader, keys: &[Self]) -> Result<HashMap<Self, Self::Value>, Error> {
        let ids: Vec<i64> = keys.iter().map(|key| key.0).collect();
        Ok(variant::words(db, &ids).await?.into_iter().map(|(id, words)| (Self(id), Arc::new(words))).collect())
    }
}

/// How many metrics hang on a component or an item, from the counters beside their variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MetricsIn {
    /// The component with this key.
    Component(i64),
    /// The item with this key.
    Item(i64),
}

impl Key for MetricsIn {
    type Value = u64;

    async fn load(db: &Reader, keys: &[Self]) -> Result<HashMap<Self, u64>, Error> {
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

/// The hash of a session or context, by its key.
pub struct HashOf<E>(pub Row<E>);

impl<E> Clone for HashOf<E> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<E> PartialEq for HashOf<E> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<E> Eq for HashOf<E> {}

impl<E> Hash for HashOf<E> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<E: Announced> Key for HashOf<E> {
    type Value = Arc<str>;

    async fn load(db: &Reader, keys: &[Self]) -> Result<HashMap<Self, Self::Value>, Error> {
        let ids: Vec<i64> = keys.iter().map(|HashOf(row)| row.0).collect();
        let hashes = announced::hashes::<E>(db, &ids).await?;
        Ok(hashes.into_iter().map(|(id, hash)| (Self(Row::key(id)), hash.into())).collect())
    }
}

/// The same question asked of many parents.
struct Question<Q> {
    ask: Q,
    /// Few other questions share it.
    hash: u64,
}

impl<Q: PartialEq> PartialEq for Question<Q> {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.ask == other.ask
    }
}

// No figure of a question is NaN: JSON and GraphQL have none.
impl<Q: PartialEq> Eq for Question<Q> {}

impl<Q> Hash for Question<Q> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// A question and the parent it is asked of.
pub struct Asked<Q> {
    parent: i64,
    question: Arc<Question<Q>>,
}

impl<Q: PartialEq> Asked<Q> {
    /// `parts` and `filter` are what tells most questions apart; all of a question is compared besides.
    fn new<F: Default + PartialEq + fmt::Debug>(parent: i64, ask: Q, parts: impl Hash, filter: &F) -> Self {
        let mut state = DefaultHasher::new();
        parts.hash(&mut state);
        // Most ask for all there is, and filters have figures, which have no hash of their own.
        if *filter != F::default() {
            format!("{filter:?}").hash(&mut state);
        }
        Self { parent, question: Arc::new(Question { ask, hash: state.finish() }) }
    }

    /// The parents of each question.
    fn by_question(keys: &[Self]) -> Vec<(&Q, Vec<&Self>)> {
        let mut groups: HashMap<&Question<Q>, Vec<&Self>> = HashMap::new();
        for key in keys {
            groups.entry(&key.question).or_default().push(key);
        }
        groups.into_iter().map(|(question, asked)| (&question.ask, asked)).collect()
    }
}

impl<Q> Clone for Asked<Q> {
    fn clone(&self) -> Self {
        Self { parent: self.parent, question: Arc::clone(&self.question) }
    }
}

impl<Q: PartialEq> PartialEq for Asked<Q> {
    fn eq(&self, other: &Self) -> bool {
        self.parent == other.parent && self.question == other.question
    }
}

impl<Q: PartialEq> Eq for Asked<Q> {}

impl<Q> Hash for Asked<Q> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parent.hash(state);
        self.question.hash(state);
    }
}

/// The list that hangs on a parent by an edge.
pub struct Lists<E: Noun> {
    edge: Edge<E>,
    slice: Slice<E>,
}

impl<E: Noun> PartialEq for Lists<E> {
    fn eq(&self, other: &Self) -> bool {
        self.edge == other.edge && self.slice == other.slice
    }
}

impl<E: Noun> Lists<E> {
    /// This stretch of the list.
    pub fn key(edge: Edge<E>, parent: i64, slice: &Slice<E>) -> Asked<Self> {
        let Slice { filter, after, before, limit, from_end, .. } = slice;
        let parts = (edge.name, *after, *before, *limit, *from_end);
        Asked::new(parent, Self { edge, slice: slice.clone() }, parts, filter)
    }
}

impl<E: Noun> Key for Asked<Lists<E>> {
    type Value = Vec<E::Model>;

    async fn load(db: &Reader, keys: &[Self]) -> Result<HashMap<Self, Self::Value>, Error> {
        let mut lists = HashMap::with_capacity(keys.len());
        for (Lists { edge, slice }, keys) in Self::by_question(keys) {
            let parents: Vec<i64> = keys.iter().map(|key| key.parent).collect();
            let mut rows = list::rows_under(db, *edge, &parents, slice).await?;
            lists.extend(keys.into_iter().map(|key| (key.clone(), rows.remove(&key.parent).unwrap_or_default())));
        }
        Ok(lists)
    }
}

/// How long the list is that hangs on a parent by an edge.
pub struct Counts<E: Noun> {
    edge: Edge<E>,
    filter: Tree<E::Filter>,
}

impl<E: Noun> PartialEq for Counts<E> {
    fn eq(&self, other: &Self) -> bool {
        self.edge == other.edge && self.filter == other.filter
    }
}

impl<E: Noun> Counts<E> {
    /// The number of those that match.
    pub fn key(edge: Edge<E>, parent: i64, filter: &Tree<E::Filter>) -> Asked<Self> {
        Asked::new(parent, Self { edge, filter: filter.clone() }, edge.name, filter)
    }
}

impl<E: Noun> Key for Asked<Counts<E>> {
    type Value = u64;

    async fn load(db: &Reader, keys: &[Self]) -> Result<HashMap<Self, u64>, Error> {
        let mut counts = HashMap::with_capacity(keys.len());
        for (Counts { edge, filter }, keys) in Self::by_question(keys) {
            let parents: Vec<i64> = keys.iter().map(|key| key.parent).collect();
            let numbers = list::counts_under(db, *edge, &parents, filter).await?;
            counts.extend(keys.into_iter().map(|key| (key.clone(), numbers.get(&key.parent).copied().unwrap_or(0))));
        }
        Ok(counts)
    }
}
