//! A column of a segment as bytes: compressed pages with a checksum each.
//!
//! The bytes are a version, the length of the head and its checksum; the head, which [`pco`] needs to read any page; the length
//! and the checksum of each page; and the pages. Integers are little-endian. A page may be left out; a page of equal values
//! has no bytes.

use std::ops::Range;

use pco::{
    ChunkConfig, DecompressorScratch, DeltaSpec, PagingSpec,
    data_types::Number,
    wrapped::{ChunkDecompressor, FileCompressor, FileDecompressor},
};
use sea_orm::DbErr;

/// The version of the format.
const VERSION: u8 = 2;
/// Bytes before the head: version, length, checksum.
const PREFIX: usize = 9;
/// Bytes of a page's length and checksum.
const ENTRY: usize = 6;
/// The length of a page that is left out.
const LEFT_OUT: u16 = u16::MAX;
/// Bytes after the pages: [`pco`] copies what is nearer to the end than this.
const PADDING: usize = 3 << 10;
/// Bytes of a state in the tables that [`pco`] decodes with.
const STATE: usize = 12;

/// What is compressed. What [`pco`] chooses by itself may refer to any earlier value of the column: smaller, but then each page
/// takes ten times as long to read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Delta {
    /// The values.
    None,
    /// The difference of each value to the one before it in its page.
    Previous,
}

/// Compresses `values`, or the differences of each to the one before it, into pages of these lengths. `is_kept` tells by number
/// which pages are kept: the others are left out.
///
/// # Errors
/// If the values can't be compressed.
pub(crate) fn compress<T: Number>(
    values: &[T],
    lengths: &[usize],
    delta: Delta,
    is_kept: impl Fn(usize) -> bool,
) -> Result<Vec<u8>, DbErr> {
    let mut kept = Vec::with_capacity(values.len());
    let mut kept_lengths = Vec::with_capacity(lengths.len());
    let mut rest = values;
    for (page, length) in lengths.iter().enumerate() {
        let (values, later) = rest.split_at_checked(*length).ok_or_else(|| failed("fewer values than rows"))?;
        if is_kept(page) {
            kept.extend_from_slice(values);
            kept_lengths.push(*length);
        }
        rest = later;
    }
    let (mut head, mut pages) = (Vec::new(), Vec::new());
    if !kept.is_empty() {
        let delta = match delta {
            Delta::None => DeltaSpec::NoOp,
            Delta::Previous => DeltaSpec::TryConsecutive(1),
        };
        let config = ChunkConfig::default().with_paging_spec(PagingSpec::Exact(kept_lengths.clone()));
        let config = config.with_delta_spec(delta);
        let compressor = FileCompressor::default();
        compressor.write_header(&mut head).map_err(|error| failed(&error))?;
        let mut chunk = compressor.chunk_compressor(&kept, &config).map_err(|error| failed(&error))?;
        chunk.write_meta(&mut head).map_err(|error| failed(&error))?;
        for page in 0..kept_lengths.len() {
            let mut bytes = Vec::new();
            chunk.write_page(page, &mut bytes).map_err(|error| failed(&error))?;
            pages.push(bytes);
        }
    }
    let mut bytes = vec![VERSION];
    bytes.extend(u32::try_from(head.len()).map_err(|error| failed(&error))?.to_le_bytes());
    bytes.extend(crc32fast::hash(&head).to_le_bytes());
    bytes.extend(head);
    let mut pages = pages.into_iter();
    let mut body = Vec::new();
    for page in 0..lengths.len() {
        let page = if is_kept(page) { pages.next() } else { None };
        let length = page.as_ref().map_or(Ok(LEFT_OUT), |page| u16::try_from(page.len()));
        bytes.extend(length.map_err(|error| failed(&error))?.to_le_bytes());
        let page = page.unwrap_or_default();
        bytes.extend(crc32fast::hash(&page).to_le_bytes());
        body.extend(page);
    }
    bytes.extend(body);
    Ok(bytes)
}

fn failed(reason: &(impl ToString + ?Sized)) -> DbErr {
    DbErr::Custom(format!("a segment can't be compressed: {}", reason.to_string()))
}

/// What is wrong with the bytes of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Damage {
    /// What is needed to read any page.
    Head,
    /// The page with this number.
    Page(usize),
}

/// A column that pages are read from. It never changes, so that readers share it.
#[derive(Debug)]
pub(crate) struct Pages<T: Number> {
    /// As stored, and padding.
    bytes: Vec<u8>,
    /// Absent if all pages are left out.
    chunk: Option<ChunkDecompressor<T>>,
    /// Where each page lies; `None` if it is left out.
    ranges: Vec<Option<Range<u32>>>,
    /// Where the lengths and checksums begin.
    entries: usize,
}

impl<T: Number> Pages<T> {
    /// Reads the head of a column with this many pages.
    ///
    /// # Errors
    /// If it is damaged.
    pub(crate) fn open(mut bytes: Vec<u8>, pages: usize) -> Result<Self, Damage> {
        let prefix = bytes.first_chunk::<PREFIX>().filter(|prefix| prefix[0] == VERSION).ok_or(Damage::Head)?;
        let [_, l0, l1, l2, l3, checksum @ ..] = *prefix;
        let length = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).map_err(|_| Damage::Head)?;
        let entries = PREFIX.checked_add(length).ok_or(Damage::Head)?;
        let head = bytes.get(PREFIX..entries).ok_or(Damage::Head)?;
        if crc32fast::hash(head) != u32::from_le_bytes(checksum) {
            return Err(Damage::Head);
        }
        let chunk = if head.is_empty() {
            None
        } else {
            let (file, rest) = FileDecompressor::new(head).map_err(|_| Damage::Head)?;
            Some(file.chunk_decompressor::<T, _>(rest).map_err(|_| Damage::Head)?.0)
        };
        let mut start = u32::try_from(entries + pages * ENTRY).map_err(|_| Damage::Head)?;
        let mut ranges = Vec::with_capacity(pages);
        for page in 0..pages {
            let at = entries + page * ENTRY;
            let length = bytes.get(at..).and_then(|rest| rest.first_chunk()).ok_or(Damage::Head)?;
            let length = Some(u16::from_le_bytes(*length)).filter(|length| *length != LEFT_OUT).map(u32::from);
            ranges.push(length.map(|length| start..start + length));
            let checksum = bytes.get(at + 2..).and_then(|rest| rest.first_chunk()).ok_or(Damage::Head)?;
            if length.is_none() && u32::from_le_bytes(*checksum) != crc32fast::hash(&[]) {
                return Err(Damage::Page(page));
            }
            start += length.unwrap_or(0);
        }
        bytes.extend([0; PADDING]);
        Ok(Self { bytes, chunk, ranges, entries })
    }

    /// Returns whether a page is left out.
    pub(crate) fn is_left_out(&self, page: usize) -> bool {
        self.ranges.get(page).is_some_and(Option::is_none)
    }

    /// Returns the pages whose bytes are not those that their checksums are of.
    pub(crate) fn damaged(&self) -> impl Iterator<Item = usize> {
        let pages = self.ranges.iter().enumerate().filter_map(|(page, range)| Some((page, range.clone()?)));
        pages.filter(|(page, range)| self.compressed(*page, range).is_none()).map(|(page, _)| page)
    }

    /// Returns the bytes of a page, if they are those that its checksum is of.
    fn compressed(&self, page: usize, range: &Range<u32>) -> Option<&[u8]> {
        let compressed = self.bytes.get(range.start as usize..range.end as usize)?;
        let checksum = self.bytes.get(self.entries + page * ENTRY + 2..)?.first_chunk()?;
        (u32::from_le_bytes(*checksum) == crc32fast::hash(compressed)).then_some(compressed)
    }

    /// Returns the size in memory, in bytes, roughly.
    pub(crate) fn weight(&self) -> usize {
        let tables = self.chunk.as_ref().map_or(0, |chunk| {
            let latents = &chunk.meta().per_latent_var;
            let latents = [latents.delta.as_ref(), Some(&latents.primary), latents.secondary.as_ref()];
            latents.into_iter().flatten().map(|latent| STATE << latent.ans_size_log).sum()
        });
        self.bytes.len() + size_of_val(self.ranges.as_slice()) + tables
    }

    /// Reads a page of this many rows into `values`.
    ///
    /// # Errors
    /// If it is damaged, or left out.
    pub(crate) fn read(
        &self,
        page: usize,
        rows: usize,
        values: &mut Vec<T>,
        scratch: &mut DecompressorScratch,
    ) -> Result<(), Damage> {
        let damage = || Damage::Page(page);
        let range = self.ranges.get(page).cloned().flatten().ok_or_else(damage)?;
        let compressed = self.compressed(page, &range).ok_or_else(damage)?;
        let chunk = self.chunk.as_ref().ok_or_else(damage)?;
        values.resize(rows, T::default());
        // What follows is not read, but spares the decompressor a copy.
        let rest = &self.bytes[range.start as usize..];
        let mut page = chunk.page_decompressor_with_scratch(rest, rows, scratch).map_err(|_| damage())?;
        let progress = page.read(values).map_err(|_| damage())?;
        let length = rest.len() - page.into_src().len();
        let is_whole = progress.n_processed == rows && progress.finished && length == compressed.len();
        if is_whole { Ok(()) } else { Err(damage()) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use pco::DecompressorScratch;
    use proptest::prelude::*;

    use super::{Damage, Delta, ENTRY, PREFIX, Pages, compress};

    fn lengths(values: usize, page: usize) -> Vec<usize> {
        (0..values).step_by(page).map(|first| page.min(values - first)).collect()
    }

    #[test]
    fn a_page_that_was_kept_is_not_taken_for_one_that_is_left_out() {
        let values: Vec<i64> = (0..40).collect();
        let lengths = lengths(values.len(), 16);
        let mut bytes = compress(&values, &lengths, Delta::None, |_| true).unwrap();
        let head = bytes[1..5].iter().rev().fold(0, |length, byte| length << 8 | usize::from(*byte));
        let second = PREFIX + head + ENTRY;
        bytes[second..second + 2].fill(u8::MAX);
        assert!(matches!(Pages::<i64>::open(bytes, lengths.len()), Err(Damage::Page(1))));
    }

    proptest! {
        #[test]
        fn pages_are_read_as_they_were_written(
            values in prop::collection::vec(prop::num::f64::ANY, 1..600),
            page in prop::sample::select(vec![1, 3, 16, 256]),
            empty in 0..4_usize,
        ) {
            let lengths = lengths(values.len(), page);
            let bytes = compress(&values, &lengths, Delta::None, |number| number % 4 != empty).unwrap();
            let pages = Pages::<f64>::open(bytes, lengths.len()).unwrap();
            let (mut read, mut scratch) = (Vec::new(), DecompressorScratch::default());
            for (number, expected) in values.chunks(page).enumerate() {
                prop_assert_eq!(pages.is_left_out(number), number % 4 == empty);
                if number % 4 != empty {
                    pages.read(number, expected.len(), &mut read, &mut scratch).unwrap();
                    let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
                    prop_assert_eq!(bits(&read), bits(expected));
                }
            }
        }

        #[test]
        fn every_flipped_bit_is_noticed(values in prop::collection::vec(0..1000_i64, 20..200), at: prop::sample::Index, bit in 0..8_u8) {
            let lengths = lengths(values.len(), 16);
            let mut bytes = compress(&values, &lengths, Delta::Previous, |_| true).unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= 1_u8 << bit;
            let damage = Pages::<i64>::open(bytes, lengths.len()).and_then(|pages| {
                let (mut read, mut scratch) = (Vec::new(), DecompressorScratch::default());
                lengths.iter().enumerate().try_for_each(|(page, rows)| pages.read(page, *rows, &mut read, &mut scratch))
            });
            prop_assert!(matches!(damage, Err(Damage::Head | Damage::Page(_))));
        }
    }
}
