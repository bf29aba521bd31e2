//! The directory of a segment: what a scan must know before it reads any column.
//!
//! As bytes: a version; arrays, each with its length in bytes; the start times that are not canonical; a checksum of all this.

use pco::{
    ChunkConfig,
    data_types::Number,
    standalone::{simple_compress, simple_decompress},
};
use sea_orm::DbErr;

use crate::history::{
    column::Dimension,
    key_set::KeySet,
    zone::{Range, Zone},
};

/// The version of the format.
const VERSION: u8 = 1;

/// Which keys of a table occur in a segment, and how often.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Occurrences {
    /// In ascending order.
    keys: Vec<i64>,
    /// For each key, the number of rows of all keys before it; then that of all rows.
    starts: Vec<u32>,
}

impl Occurrences {
    /// Counts `keys`, and returns the positions of their rows, key by key.
    pub(crate) fn of(keys: &[i64]) -> (Self, Vec<i64>) {
        let mut rows: Vec<(i64, i64)> = keys.iter().copied().zip(0..).collect();
        rows.sort_unstable();
        let mut occurrences = Self::default();
        for (start, (key, _)) in (0..).zip(&rows) {
            if occurrences.keys.last() != Some(key) {
                occurrences.keys.push(*key);
                occurrences.starts.push(start);
            }
        }
        occurrences.starts.push(u32::try_from(rows.len()).unwrap_or(u32::MAX));
        (occurrences, rows.into_iter().map(|(_, row)| row).collect())
    }

    /// Returns the number of rows.
    pub(crate) fn rows(&self) -> u64 {
        self.starts.last().copied().map_or(0, u64::from)
    }

    /// Returns each key with the places that its rows have among those of all keys.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = (i64, std::ops::Range<u32>)> {
        self.keys.iter().zip(self.starts.windows(2)).map(|(key, range)| (*key, range[0]..range[1]))
    }

    /// Returns those of [`Self::ranges`] whose keys are in `keys`.
    pub(crate) fn ranges_of(&self, keys: &KeySet) -> Vec<(i64, std::ops::Range<u32>)> {
        if keys.len() > self.keys.len() / 8 {
            return self.ranges().filter(|(key, _)| keys.contains(*key)).collect();
        }
        let found = keys.iter().filter_map(|key| Some((key, self.keys.binary_search(&key).ok()?)));
        found.map(|(key, index)| (key, self.starts[index]..self.starts[index + 1])).collect()
    }

    /// Returns the number of rows that have one of `keys`.
    pub(crate) fn count(&self, keys: &KeySet) -> u64 {
        self.ranges_of(keys).into_iter().map(|(_, range)| u64::from(range.end - range.start)).sum()
    }
}

/// The directory of a segment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Directory {
    /// The zone of each page.
    pub(crate) zones: Vec<Zone>,
    /// In the order of [`Dimension::ALL`].
    pub(crate) occurrences: [Occurrences; 3],
    /// The start times that are not canonical, with their rows.
    pub(crate) texts: Vec<(usize, String)>,
}

impl Directory {
    /// Returns which keys of `dimension` occur.
    pub(crate) fn of(&self, dimension: Dimension) -> &Occurrences {
        &self.occurrences[dimension as usize]
    }

    /// Returns the size in memory, in bytes, roughly.
    pub(crate) fn weight(&self) -> usize {
        let keys: usize = self.occurrences.iter().map(|occurrences| occurrences.keys.len()).sum();
        let texts: usize = self.texts.iter().map(|(_, text)| text.len() + size_of::<(usize, String)>()).sum();
        size_of_val(self.zones.as_slice()) + keys * (size_of::<i64>() + size_of::<u32>()) + texts
    }

    /// Returns the directory as bytes.
    ///
    /// # Errors
    /// If its arrays can't be compressed.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, DbErr> {
        let mut bytes = vec![VERSION];
        let ranges: [fn(&Zone) -> Range<i64>; 4] =
            [|zone| zone.keys, |zone| zone.sessions, |zone| zone.contexts, |zone| zone.started_at];
        for range in ranges {
            write_array(&mut bytes, &self.zones.iter().map(|zone| range(zone).least).collect::<Vec<i64>>())?;
            write_array(&mut bytes, &self.zones.iter().map(|zone| range(zone).greatest).collect::<Vec<i64>>())?;
        }
        for index in 0..5 {
            let range = |zone: &Zone| zone.resources[index];
            write_array(&mut bytes, &self.zones.iter().map(|zone| range(zone).least).collect::<Vec<f64>>())?;
            write_array(&mut bytes, &self.zones.iter().map(|zone| range(zone).greatest).collect::<Vec<f64>>())?;
        }
        for Occurrences { keys, starts } in &self.occurrences {
            write_array(&mut bytes, keys)?;
            write_array(&mut bytes, &starts.windows(2).map(|range| range[1] - range[0]).collect::<Vec<u32>>())?;
        }
        let rows: Vec<i64> = self.texts.iter().map(|(row, _)| i64::try_from(*row).unwrap_or(i64::MAX)).collect();
        let lengths: Vec<i64> =
            self.texts.iter().map(|(_, text)| i64::try_from(text.len()).unwrap_or(i64::MAX)).collect();
        write_array(&mut bytes, &rows)?;
        write_array(&mut bytes, &lengths)?;
        bytes.extend(self.texts.iter().flat_map(|(_, text)| text.bytes()));
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        Ok(bytes)
    }

    /// The inverse of [`Self::encode`]; `None` if the bytes are damaged.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (bytes, checksum) = bytes.split_last_chunk()?;
        if crc32fast::hash(bytes) != u32::from_le_bytes(*checksum) {
            return None;
        }
        let mut rest = bytes.strip_prefix(&[VERSION])?;
        let rest = &mut rest;
        let keys = read_ranges(rest)?;
        let sessions = read_ranges(rest)?;
        let contexts = read_ranges(rest)?;
        let started_at = read_ranges(rest)?;
        let mut resources = Vec::with_capacity(5);
        for _ in 0..5 {
            resources.push(read_ranges::<f64>(rest)?);
        }
        let zone = |page: usize| {
            let mut of_each = [Range { least: 0.0, greatest: 0.0 }; 5];
            for (range, resource) in of_each.iter_mut().zip(&resources) {
                *range = *resource.get(page)?;
            }
            let (sessions, contexts) = (*sessions.get(page)?, *contexts.get(page)?);
            Some(Zone {
                keys: *keys.get(page)?,
                sessions,
                contexts,
                started_at: *started_at.get(page)?,
                resources: of_each,
            })
        };
        let zones = (0..keys.len()).map(zone).collect::<Option<Vec<_>>>()?;
        let mut occurrences: [Occurrences; 3] = Default::default();
        for of_dimension in &mut occurrences {
            let keys = read_array::<i64>(rest)?;
            let mut starts = vec![0];
            for count in read_array::<u32>(rest)? {
                starts.push(starts.last()? + count);
            }
            if starts.len() != keys.len() + 1 {
                return None;
            }
            *of_dimension = Occurrences { keys, starts };
        }
        let (rows, lengths) = (read_array::<i64>(rest)?, read_array::<i64>(rest)?);
        let mut texts = Vec::with_capacity(rows.len());
        for (row, length) in rows.into_iter().zip(lengths) {
            let (text, later) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            texts.push((usize::try_from(row).ok()?, String::from_utf8(text.to_vec()).ok()?));
            *rest = later;
        }
        Some(Self { zones, occurrences, texts })
    }
}

fn write_array<T: Number>(bytes: &mut Vec<u8>, values: &[T]) -> Result<(), DbErr> {
    let failed = |reason: String| DbErr::Custom(format!("a directory can't be compressed: {reason}"));
    let array = simple_compress(values, &ChunkConfig::default()).map_err(|error| failed(error.to_string()))?;
    bytes.extend(u32::try_from(array.len()).map_err(|error| failed(error.to_string()))?.to_le_bytes());
    bytes.extend(array);
    Ok(())
}

fn read_array<T: Number>(rest: &mut &[u8]) -> Option<Vec<T>> {
    let (length, later) = rest.split_first_chunk()?;
    let (array, later) = later.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    *rest = later;
    simple_decompress(array).ok()
}

fn read_ranges<T: Number + Copy>(rest: &mut &[u8]) -> Option<Vec<Range<T>>> {
    let (least, greatest) = (read_array::<T>(rest)?, read_array::<T>(rest)?);
    let ranges = least.iter().zip(&greatest).map(|(least, greatest)| Range { least: *least, greatest: *greatest });
    (least.len() == greatest.len()).then(|| ranges.collect())
}
