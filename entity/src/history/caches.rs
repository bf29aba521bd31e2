//! Caches of what segments hold. A snapshot of another history has other ones.

use std::sync::Arc;

use quick_cache::{Weighter, sync::Cache};
use sea_orm::DbErr;

use crate::{
    driver::source::Source,
    history::{
        directory::Directory,
        segment::{Blob, OpenColumn},
    },
};

/// Maximum size of the cached columns, in bytes.
const MAX_BYTES: u64 = 96 << 20;
/// Maximum size of the cached directories, in bytes.
const MAX_DIRECTORY_BYTES: u64 = 32 << 20;
/// Estimated number of entries.
const CAPACITY: usize = 1_000;
/// What an entry costs besides its content, in bytes.
const OVERHEAD: u64 = 100;

/// Caches of segments, by their keys.
#[derive(Debug)]
pub(crate) struct Caches {
    columns: Cache<(i64, Blob), OpenColumn, ByBytes>,
    directories: Cache<i64, Arc<Directory>, ByBytes>,
}

impl Default for Caches {
    fn default() -> Self {
        Self {
            columns: Cache::with_weighter(CAPACITY, MAX_BYTES, ByBytes),
            directories: Cache::with_weighter(CAPACITY, MAX_DIRECTORY_BYTES, ByBytes),
        }
    }
}

/// How often a cache had what was looked for.
#[derive(Debug, Clone, Copy)]
pub struct CacheUse {
    /// What is cached.
    pub name: &'static str,
    /// How often it was there.
    pub hits: u64,
    /// How often it was not.
    pub misses: u64,
}

/// Weighs what is cached by its size in bytes.
#[derive(Debug, Clone)]
struct ByBytes;

impl Weighter<(i64, Blob), OpenColumn> for ByBytes {
    fn weight(&self, _: &(i64, Blob), column: &OpenColumn) -> u64 {
        column.weight() as u64 + OVERHEAD
    }
}

impl Weighter<i64, Arc<Directory>> for ByBytes {
    fn weight(&self, _: &i64, directory: &Arc<Directory>) -> u64 {
        directory.weight() as u64 + OVERHEAD
    }
}

const SELECT_BLOBS: &str = "SELECT number, data FROM segment_column WHERE segment_id = $1 AND number IN";
const SELECT_BLOB: &str = "SELECT number, data FROM segment_column WHERE segment_id = $1 AND number = $2";

impl Caches {
    /// Returns how often columns and directories were found, and how often not.
    pub(crate) fn uses(&self) -> [CacheUse; 2] {
        [
            CacheUse { name: "columns", hits: self.columns.hits(), misses: self.columns.misses() },
            CacheUse { name: "directories", hits: self.directories.hits(), misses: self.directories.misses() },
        ]
    }

    /// Returns columns of a segment that has this many pages, in any order.
    ///
    /// # Errors
    /// If the database fails, lacks one of them, or one is damaged.
    pub(crate) async fn columns(
        &self,
        db: &impl Source,
        segment: i64,
        pages: usize,
        wanted: &[Blob],
    ) -> Result<Vec<(Blob, OpenColumn)>, DbErr> {
        let mut found = Vec::with_capacity(wanted.len());
        let mut lacking = Vec::new();
        for blob in wanted {
            match self.columns.get(&(segment, *blob)) {
                Some(column) => found.push((*blob, column)),
                None => lacking.push(*blob),
            }
        }
        let rows: Vec<(i64, Vec<u8>)> = match lacking.as_slice() {
            [] => Vec::new(),
            [Blob(number)] => db.select(SELECT_BLOB, [segment.into(), i64::from(*number).into()]).await?,
            several => {
                // Inlined, so that each of the few combinations is one prepared statement.
                let numbers: Vec<String> = several.iter().map(|Blob(number)| number.to_string()).collect();
                db.select(&format!("{SELECT_BLOBS} ({})", numbers.join(", ")), [segment.into()]).await?
            }
        };
        for (number, bytes) in rows {
            let is_it = |Blob(lacking): &Blob| i64::from(*lacking) == number;
            let Some(blob) = lacking.iter().copied().find(is_it) else { continue };
            let column = OpenColumn::open(segment, blob, bytes, pages)?;
            self.columns.insert((segment, blob), column.clone());
            found.push((blob, column));
        }
        if found.len() < wanted.len() {
            return Err(replaced(segment));
        }
        Ok(found)
    }

    /// Returns the directory of a segment.
    ///
    /// # Errors
    /// If the database fails, or the directory is damaged.
    pub(crate) async fn directory(&self, db: &impl Source, segment: i64) -> Result<Arc<Directory>, DbErr> {
        if let Some(directory) = self.directories.get(&segment) {
            return Ok(directory);
        }
        let Blob(number) = Blob::DIRECTORY;
        let rows: Vec<(i64, Vec<u8>)> = db.select(SELECT_BLOB, [segment.into(), i64::from(number).into()]).await?;
        let damaged =
            || DbErr::Custom(format!("segment {segment} is damaged: its directory: restore it from a backup"));
        let (_, bytes) = rows.first().ok_or_else(|| replaced(segment))?;
        let decoded = Directory::decode(bytes).ok_or_else(damaged)?;
        let directory = Arc::new(decoded);
        self.directories.insert(segment, Arc::clone(&directory));
        Ok(directory)
    }
}

/// The error of a scan that takes so long that a segment was replaced meanwhile; or the segment is damaged.
fn replaced(segment: i64) -> DbErr {
    DbErr::Custom(format!(
        "segment {segment} has no columns, since metrics were deleted meanwhile: try again, or restore it from a backup"
    ))
}
