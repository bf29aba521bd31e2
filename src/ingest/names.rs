//! Interned names: each name is stored once, and found by its digest. The committer caches the keys that it has found or
//! stored.

use std::collections::{HashMap, HashSet};

use entity::{
    digest::{Digest, digest},
    driver::{executor::Transaction, keys, source::Source as _},
};
use quick_cache::unsync::Cache;
use sea_orm::{
    DbErr,
    sea_query::{Expr, ExprTrait as _, Query, Value},
};

/// Keys that the cache of one table holds.
const CACHE_CAPACITY: usize = 200_000;
/// Values that one look-up binds, at most: SQLite's limit is 32,766.
const MAX_LOOKUP_VALUES: usize = 10_000;

/// The names of one table.
pub(crate) struct NameInterner {
    table: &'static str,
    /// The names' columns, that of the parent first where there is one.
    columns: &'static [&'static str],
    keys: Cache<Digest, i64>,
}

/// A name: its texts, within its parent where it has one.
pub(crate) struct Name<'a, const N: usize> {
    digest: Digest,
    parent: Option<i64>,
    texts: [&'a str; N],
}

impl<'a, const N: usize> Name<'a, N> {
    /// A name that is unique in its table.
    pub fn of(texts: [&'a str; N]) -> Self {
        Self { digest: digest(&texts), parent: None, texts }
    }

    /// The name of a pipeline. In the project without a name it has the digest that it had before there were projects.
    pub fn of_pipeline(project: (i64, &str), texts: [&'a str; N]) -> Self {
        match project {
            (id, "") => Self { parent: Some(id), ..Self::of(texts) },
            (id, _) => Self::within(id, texts),
        }
    }

    /// A name that is unique within its parent.
    pub fn within(parent: i64, texts: [&'a str; N]) -> Self {
        let number = parent.to_string();
        let parts: Vec<&str> = std::iter::once(number.as_str()).chain(texts).collect();
        Self { digest: digest(&parts), parent: Some(parent), texts }
    }

    fn values(&self) -> impl Iterator<Item = Value> {
        let texts = self.texts.iter().map(|text| Value::from(*text));
        self.parent.map(Value::from).into_iter().chain(texts).chain([Value::from(self.digest.to_vec())])
    }
}

impl NameInterner {
    pub fn new(table: &'static str, columns: &'static [&'static str]) -> Self {
        Self { table, columns, keys: Cache::new(CACHE_CAPACITY) }
    }

    /// Empties the cache, after a transaction that was not committed.
    pub fn forget(&mut self) {
        self.keys = Cache::new(CACHE_CAPACITY);
    }

    /// Returns the key of a name, which is stored if it is new.
    pub async fn key<const N: usize>(&mut self, tx: &Transaction<'_>, name: Name<'_, N>) -> Result<i64, DbErr> {
        Ok(self.keys(tx, &[name]).await?[0])
    }

    /// Returns the keys of `names`, in their order. New names are stored in the order of their first appearance.
    pub async fn keys<const N: usize>(
        &mut self,
        tx: &Transaction<'_>,
        names: &[Name<'_, N>],
    ) -> Result<Vec<i64>, DbErr> {
        let mut keys: Vec<Option<i64>> = names.iter().map(|name| self.keys.get(&name.digest).copied()).collect();
        let mut seen = HashSet::new();
        let new = names.iter().zip(&keys).filter(|(_, key)| key.is_none()).map(|(name, _)| name);
        let new: Vec<&Name<'_, N>> = new.filter(|name| seen.insert(name.digest)).collect();
        if !new.is_empty() {
            let found = self.find_or_store(tx, &new).await?;
            for (name, key) in names.iter().zip(&mut keys) {
                *key = key.or_else(|| found.get(&name.digest).copied());
            }
            for (digest, key) in found {
                self.keys.insert(digest, key);
            }
        }
        let complete: Option<Vec<i64>> = keys.into_iter().collect();
        complete.ok_or_else(|| DbErr::RecordNotFound(format!("a name of {}", self.table)))
    }

    async fn find_or_store<const N: usize>(
        &self,
        tx: &Transaction<'_>,
        names: &[&Name<'_, N>],
    ) -> Result<HashMap<Digest, i64>, DbErr> {
        let mut found = HashMap::with_capacity(names.len());
        for part in names.chunks(MAX_LOOKUP_VALUES / (N + 3)) {
            let query = Query::select()
                .columns(["id", "digest"])
                .from(self.table)
                .and_where(Expr::col("digest").is_in(part.iter().map(|name| name.digest.to_vec())))
                .take();
            note(&mut found, tx.all(&query).await?)?;
            let new: Vec<_> = part.iter().filter(|name| !found.contains_key(&name.digest)).collect();
            if new.is_empty() {
                continue;
            }
            let first = if tx.engine().reuses_keys() { Some(keys::next(tx, self.table, "id").await?) } else { None };
            let own = first.map(|_| "id").into_iter();
            let mut insert = Query::insert();
            insert.into_table(self.table).columns(own.chain(self.columns.iter().copied()).chain(["digest"]));
            for (name, place) in new.into_iter().zip(0..) {
                let key = first.map(|first| Value::from(first + place));
                insert.values_panic(key.into_iter().chain(name.values()).map(Expr::val));
            }
            insert.returning(Query::returning().columns(["id", "digest"]));
            note(&mut found, tx.all(&insert).await?)?;
        }
        Ok(found)
    }
}

fn note(found: &mut HashMap<Digest, i64>, rows: Vec<(i64, Vec<u8>)>) -> Result<(), DbErr> {
    for (key, bytes) in rows {
        let digest = Digest::try_from(bytes).map_err(|_| DbErr::Type("a digest is not 16 bytes long".to_owned()))?;
        found.insert(digest, key);
    }
    Ok(())
}

/// The names of every table, and what is cached of them.
pub(crate) struct Names {
    pub sessions: NameInterner,
    pub contexts: NameInterner,
    pub components: NameInterner,
    pub items: NameInterner,
    pub variants: NameInterner,
    pub projects: NameInterner,
    pub branches: NameInterner,
    pub pipelines: NameInterner,
    pub builds: NameInterner,
    pub tags: NameInterner,
    /// Sessions that have metrics.
    pub measured: Cache<i64, ()>,
}

impl Names {
    pub fn new() -> Self {
        Self {
            sessions: NameInterner::new("session", &["hash"]),
            contexts: NameInterner::new("execution_context", &["hash"]),
            components: NameInterner::new("component", &["name"]),
            items: NameInterner::new("item", &["component_id", "path", "name"]),
            variants: NameInterner::new("variant", &["item_id", "name", "location", "kind"]),
            projects: NameInterner::new("project", &["name"]),
            branches: NameInterner::new("branch", &["project_id", "name"]),
            pipelines: NameInterner::new("pipeline", &["project_id", "name"]),
            builds: NameInterner::new("build", &["pipeline_id", "name"]),
            tags: NameInterner::new("tag", &["name", "value"]),
            measured: Cache::new(CACHE_CAPACITY),
        }
    }

    pub fn forget(&mut self) {
        let Self {
            sessions,
            contexts,
            components,
            items,
            variants,
            projects,
            branches,
            pipelines,
            builds,
            tags,
            measured,
        } = self;
        for names in [sessions, contexts, components, items, variants, projects, branches, pipelines, builds, tags] {
            names.forget();
        }
        *measured = Cache::new(CACHE_CAPACITY);
    }
}
