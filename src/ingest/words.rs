//! Names to keys: each name is stored once, and found by its digest. What was found or stored stays known to the committer.

use std::collections::HashMap;

use entity::digest::{Digest, digest};
use quick_cache::unsync::Cache;
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbErr,
    sea_query::{Expr, ExprTrait as _, Query, Value},
};

/// Keys that one kind of name is remembered by, at most.
const REMEMBERED: usize = 200_000;
/// Values that one statement binds, at most: SQLite's own limit is 32,766.
const BOUND: usize = 20_000;

/// The known names of one table.
pub(super) struct Names {
    table: &'static str,
    columns: &'static [&'static str],
    known: Cache<Digest, i64>,
}

/// A name not stored yet, or not known to be: its digest and the values of its columns.
pub(super) struct Name {
    pub digest: Digest,
    pub values: Vec<Value>,
}

impl Name {
    /// A name made of texts alone.
    pub fn of_texts(texts: &[&str]) -> Self {
        Self { digest: digest(texts), values: texts.iter().map(|text| Value::from(*text)).collect() }
    }

    /// A name that is unique within its parent.
    pub fn within(parent: i64, texts: &[&str]) -> Self {
        let parent_text = parent.to_string();
        let parts: Vec<&str> = std::iter::once(parent_text.as_str()).chain(texts.iter().copied()).collect();
        let values = std::iter::once(Value::from(parent)).chain(texts.iter().map(|text| Value::from(*text))).collect();
        Self { digest: digest(&parts), values }
    }
}

impl Names {
    pub fn new(table: &'static str, columns: &'static [&'static str]) -> Self {
        Self { table, columns, known: Cache::new(REMEMBERED) }
    }

    /// Forgets everything, after a transaction that was not committed.
    pub fn forget(&mut self) {
        self.known = Cache::new(REMEMBERED);
    }

    /// The keys of `names`, in their order. Names not stored yet are stored, in the order of their first appearance.
    pub async fn keys(&mut self, tx: &DatabaseTransaction, names: &[Name]) -> Result<Vec<i64>, DbErr> {
        let mut found: HashMap<Digest, i64> = HashMap::with_capacity(names.len());
        let mut missing: Vec<&Name> = Vec::new();
        for name in names {
            match self.known.get(&name.digest) {
                Some(key) => _ = found.insert(name.digest, *key),
                None if found.insert(name.digest, 0).is_none() => missing.push(name),
                None => {}
            }
        }
        for part in missing.chunks(BOUND / (self.columns.len() + 1)) {
            self.look_up(tx, part, &mut found).await?;
            let new: Vec<_> = part.iter().filter(|name| found[&name.digest] == 0).copied().collect();
            if !new.is_empty() {
                self.store(tx, &new, &mut found).await?;
            }
        }
        for name in missing {
            self.known.insert(name.digest, found[&name.digest]);
        }
        Ok(names.iter().map(|name| found[&name.digest]).collect())
    }

    async fn look_up(
        &self,
        tx: &DatabaseTransaction,
        names: &[&Name],
        found: &mut HashMap<Digest, i64>,
    ) -> Result<(), DbErr> {
        let digests = names.iter().map(|name| name.digest.to_vec());
        let query = Query::select()
            .columns(["id", "digest"])
            .from(self.table)
            .and_where(Expr::col("digest").is_in(digests))
            .take();
        note(found, tx.query_all(&query).await?)
    }

    async fn store(
        &self,
        tx: &DatabaseTransaction,
        names: &[&Name],
        found: &mut HashMap<Digest, i64>,
    ) -> Result<(), DbErr> {
        let mut insert = Query::insert();
        insert.into_table(self.table).columns(self.columns.iter().copied().chain(["digest"]));
        for name in names {
            let values = name.values.iter().cloned().chain([Value::from(name.digest.to_vec())]);
            insert.values_panic(values.map(Expr::val));
        }
        insert.returning(Query::returning().columns(["id", "digest"]));
        note(found, tx.query_all(&insert).await?)
    }
}

fn note(found: &mut HashMap<Digest, i64>, rows: Vec<sea_orm::QueryResult>) -> Result<(), DbErr> {
    for row in rows {
        let bytes: Vec<u8> = row.try_get("", "digest")?;
        let digest = Digest::try_from(bytes).map_err(|_| DbErr::Custom("a digest is not 16 bytes long".to_owned()))?;
        found.insert(digest, row.try_get("", "id")?);
    }
    Ok(())
}

/// Everything that metrics and sessions name.
pub(super) struct Words {
    pub sessions: Names,
    pub contexts: Names,
    pub components: Names,
    pub items: Names,
    pub variants: Names,
    pub pipelines: Names,
    pub builds: Names,
    pub tags: Names,
}

impl Words {
    pub fn new() -> Self {
        Self {
            sessions: Names::new("session", &["hash"]),
            contexts: Names::new("execution_context", &["hash"]),
            components: Names::new("component", &["name"]),
            items: Names::new("item", &["component_id", "path", "name"]),
            variants: Names::new("variant", &["item_id", "name", "location", "kind"]),
            pipelines: Names::new("pipeline", &["name"]),
            builds: Names::new("build", &["pipeline_id", "name"]),
            tags: Names::new("tag", &["name", "value"]),
        }
    }

    pub fn forget(&mut self) {
        let Self { sessions, contexts, components, items, variants, pipelines, builds, tags } = self;
        for names in [sessions, contexts, components, items, variants, pipelines, builds, tags] {
            names.forget();
        }
    }
}
