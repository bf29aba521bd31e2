//! Names to keys: each name is stored once, and found by its digest. What was found or stored stays known to the committer, and so do the
//! pairs of pipeline and variant.

use std::collections::{HashMap, HashSet};

use entity::{
    digest::{Digest, digest},
    driver::{executor::Transaction, source::Source as _},
};
use quick_cache::unsync::Cache;
use sea_orm::{
    DbErr,
    sea_query::{Expr, ExprTrait as _, Query, Value},
};

/// Keys that one kind of name is remembered by, at most.
const REMEMBERED: usize = 200_000;
/// Digests that one statement looks for, at most: SQLite's own limit is 32,766 values.
const LOOKED_UP: usize = 10_000;

/// The known names of one table.
pub(crate) struct NameInterner {
    table: &'static str,
    /// The names' columns, that of the parent first where there is one.
    columns: &'static [&'static str],
    known: Cache<Digest, i64>,
}

/// A name: its texts, within its parent where it has one.
pub(crate) struct Name<'a, const N: usize> {
    digest: Digest,
    parent: Option<i64>,
    texts: [&'a str; N],
}

impl<'a, const N: usize> Name<'a, N> {
    /// A name made of texts alone.
    pub fn of(texts: [&'a str; N]) -> Self {
        Self { digest: digest(&texts), parent: None, texts }
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
        Self { table, columns, known: Cache::new(REMEMBERED) }
    }

    /// Forgets everything, after a transaction that was not committed.
    pub fn forget(&mut self) {
        self.known = Cache::new(REMEMBERED);
    }

    /// The key of one name, which is stored if it was not yet.
    pub async fn key<const N: usize>(&mut self, tx: &Transaction<'_>, name: Name<'_, N>) -> Result<i64, DbErr> {
        Ok(self.keys(tx, &[name]).await?[0])
    }

    /// The keys of `names`, in their order. Names not stored yet are stored, in the order of their first appearance.
    pub async fn keys<const N: usize>(
        &mut self,
        tx: &Transaction<'_>,
        names: &[Name<'_, N>],
    ) -> Result<Vec<i64>, DbErr> {
        let mut keys: Vec<Option<i64>> = names.iter().map(|name| self.known.get(&name.digest).copied()).collect();
        let mut seen = HashSet::new();
        let unknown = names.iter().zip(&keys).filter(|(_, key)| key.is_none()).map(|(name, _)| name);
        let unknown: Vec<&Name<'_, N>> = unknown.filter(|name| seen.insert(name.digest)).collect();
        if !unknown.is_empty() {
            let found = self.find_or_store(tx, &unknown).await?;
            for (name, key) in names.iter().zip(&mut keys) {
                *key = key.or_else(|| found.get(&name.digest).copied());
            }
            for (digest, key) in found {
                self.known.insert(digest, key);
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
        for part in names.chunks(LOOKED_UP / (N + 2)) {
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
            let mut insert = Query::insert();
            insert.into_table(self.table).columns(self.columns.iter().copied().chain(["digest"]));
            for name in new {
                insert.values_panic(name.values().map(Expr::val));
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

/// The variants that pipelines are known to have measured, as pairs of keys: those stored, or to be stored before the transaction ends.
pub(crate) struct Measured(Cache<(i64, i64), ()>);

impl Measured {
    fn new() -> Self {
        Self(Cache::new(REMEMBERED))
    }

    /// Whether any of these pipelines and variants was not known yet. From now on all are.
    pub fn learn(&mut self, pairs: impl IntoIterator<Item = (i64, i64)>) -> bool {
        let mut is_new = false;
        for pair in pairs {
            if self.0.get(&pair).is_none() {
                self.0.insert(pair, ());
                is_new = true;
            }
        }
        is_new
    }
}

/// Everything that metrics and sessions name, and what is known of it.
pub(crate) struct Names {
    pub sessions: NameInterner,
    pub contexts: NameInterner,
    pub components: NameInterner,
    pub items: NameInterner,
    pub variants: NameInterner,
    pub pipelines: NameInterner,
    pub builds: NameInterner,
    pub tags: NameInterner,
    pub measured: Measured,
}

impl Names {
    pub fn new() -> Self {
        Self {
            sessions: NameInterner::new("session", &["hash"]),
            contexts: NameInterner::new("execution_context", &["hash"]),
            components: NameInterner::new("component", &["name"]),
            items: NameInterner::new("item", &["component_id", "path", "name"]),
            variants: NameInterner::new("variant", &["item_id", "name", "location", "kind"]),
            pipelines: NameInterner::new("pipeline", &["name"]),
            builds: NameInterner::new("build", &["pipeline_id", "name"]),
            tags: NameInterner::new("tag", &["name", "value"]),
            measured: Measured::new(),
        }
    }

    pub fn forget(&mut self) {
        let Self { sessions, contexts, components, items, variants, pipelines, builds, tags, measured } = self;
        for names in [sessions, contexts, components, items, variants, pipelines, builds, tags] {
            names.forget();
        }
        *measured = Measured::new();
    }
}
