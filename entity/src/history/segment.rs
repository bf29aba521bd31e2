//! A segment: metrics that no longer change, as compressed columns.

use std::sync::Arc;

use pco::{DecompressorScratch, data_types::Number};
use sea_orm::DbErr;

use crate::{
    history::{
        column::{Column, Dimension},
        columns::{Columns, model},
        directory::{Directory, Occurrences},
        pages::{self, Damage, Delta, Pages},
        rows::Rows,
        zone::{Range, Zone},
    },
    resource::Resource,
    table::{metric, segment},
};

/// A column of a segment as it is stored, with its number in `segment_column`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Blob(pub(crate) u8);

impl Blob {
    /// The directory.
    pub(crate) const DIRECTORY: Self = Self(0);
    /// The positions of the rows of each variant, variant by variant.
    pub(crate) const POSTINGS: Self = Self(u8::MAX);

    /// Returns the blob of a column.
    pub(crate) fn of(column: Column) -> Self {
        Self(u8::try_from(column.index()).unwrap_or(u8::MAX) + 1)
    }

    /// Returns whether it holds the values of a resource.
    fn is_of_numbers(self) -> bool {
        Resource::ALL.into_iter().any(|resource| self == Self::of(Column::Resource(resource)))
    }
}

/// A segment that is not stored yet.
#[derive(Debug)]
pub(crate) struct Sealed {
    /// Its row, without a key.
    pub(crate) row: segment::Model,
    /// Its columns.
    pub(crate) blobs: Vec<(Blob, Vec<u8>)>,
}

/// Returns the CPU usage as pytest-monitor computes it.
fn cpu_usage(user_time: f64, kernel_time: f64, total_time: f64) -> f64 {
    (user_time + kernel_time) / total_time
}

/// Compresses metrics into a segment with pages of `page_size` rows. `keys` is the range of keys that it takes the place of, if that is
/// wider than the range of theirs.
///
/// # Errors
/// If there are no metrics.
pub(crate) fn seal(rows: &Columns, page_size: usize, keys: Option<Range<i64>>) -> Result<Sealed, DbErr> {
    let lengths: Vec<usize> =
        (0..rows.len()).step_by(page_size).map(|first| page_size.min(rows.len() - first)).collect();
    let zone = |page: usize| rows.zone(page * page_size, page * page_size + lengths[page]);
    let zones: Vec<_> = (0..lengths.len()).filter_map(zone).collect();
    let mut whole = zones.iter().copied().reduce(Zone::with).ok_or_else(|| failed("a segment has no metrics"))?;
    whole.keys = keys.unwrap_or(whole.keys);
    let mut occurrences: [Occurrences; 3] = Default::default();
    let mut postings = Vec::new();
    for dimension in Dimension::ALL {
        (occurrences[dimension as usize], postings) = Occurrences::of(rows.integers(Column::Of(dimension)));
    }
    let directory = Directory { zones: zones.clone(), occurrences, texts: rows.texts().to_vec() };
    let all = |_| true;
    let postings = pages::compress(&postings, &lengths, Delta::Previous, all)?;
    let mut blobs = vec![(Blob::DIRECTORY, directory.encode()?), (Blob::POSTINGS, postings)];
    let integer = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let is_dense = whole.keys.greatest - whole.keys.least + 1 == integer(rows.len());
    for column in Column::ALL {
        let bytes = match column {
            Column::Key if is_dense => continue,
            Column::Resource(Resource::CpuUsage) => {
                let derived = derived_cpu_usage(rows);
                let is_kept = |page: usize| {
                    let first = page * page_size;
                    !derived[first..first + lengths[page]].iter().all(|is_derived| *is_derived)
                };
                pages::compress(rows.numbers(Resource::CpuUsage), &lengths, Delta::None, is_kept)?
            }
            Column::Resource(resource) => pages::compress(rows.numbers(resource), &lengths, Delta::None, all)?,
            Column::Key | Column::StartedAt => pages::compress(rows.integers(column), &lengths, Delta::Previous, all)?,
            Column::Passed => pages::compress(rows.integers(column), &lengths, Delta::None, all)?,
            // Tests may run in the same order each time, or in another one.
            Column::Of(Dimension::Variant) => {
                let compress = |delta| pages::compress(rows.integers(column), &lengths, delta, all);
                let (values, differences) = (compress(Delta::None)?, compress(Delta::Previous)?);
                if differences.len() < values.len() { differences } else { values }
            }
            Column::Of(Dimension::Session | Dimension::Context) => {
                let pages = rows.integers(column).chunks(page_size).zip(&zones);
                let above = pages.flat_map(|(page, zone)| {
                    let least = keys_of(column, zone).map_or(0, |range| range.least);
                    page.iter().map(move |key| key - least)
                });
                pages::compress(&above.collect::<Vec<i64>>(), &lengths, Delta::None, all)?
            }
        };
        blobs.push((Blob::of(column), bytes));
    }
    Ok(Sealed { row: whole.segment(integer(rows.len()), integer(page_size)), blobs })
}

/// Returns the range of a column of keys of which a page has few. The least of them is subtracted from the values, so that what is left is
/// small.
fn keys_of(column: Column, zone: &Zone) -> Option<Range<i64>> {
    match column {
        Column::Of(Dimension::Session) => Some(zone.sessions),
        Column::Of(Dimension::Context) => Some(zone.contexts),
        _ => None,
    }
}

/// Returns for each metric whether its CPU usage is, to the bit, what its times give.
fn derived_cpu_usage(rows: &Columns) -> Vec<bool> {
    let [total, user, kernel, cpu] =
        [Resource::TotalTime, Resource::UserTime, Resource::KernelTime, Resource::CpuUsage].map(|it| rows.numbers(it));
    let times = user.iter().zip(kernel).zip(total);
    let derived = times.map(|((user, kernel), total)| cpu_usage(*user, *kernel, *total));
    derived.zip(cpu).map(|(derived, stored)| derived.to_bits() == stored.to_bits()).collect()
}

fn failed(reason: &str) -> DbErr {
    DbErr::Custom(reason.to_owned())
}

/// A column of a segment. Readers share it.
#[derive(Debug, Clone)]
pub(crate) enum OpenColumn {
    /// Of integers.
    Integers(Arc<Pages<i64>>),
    /// Of the values of a resource.
    Numbers(Arc<Pages<f64>>),
}

impl OpenColumn {
    /// Opens a column of a segment that has this many pages.
    ///
    /// # Errors
    /// If its head is damaged.
    pub(crate) fn open(segment: i64, blob: Blob, bytes: Vec<u8>, pages: usize) -> Result<Self, DbErr> {
        let opened = if blob.is_of_numbers() {
            Pages::open(bytes, pages).map(|pages| Self::Numbers(Arc::new(pages)))
        } else {
            Pages::open(bytes, pages).map(|pages| Self::Integers(Arc::new(pages)))
        };
        opened.map_err(|damage| damaged(segment, blob, damage))
    }

    /// Returns what is wrong with its pages, by their checksums.
    pub(crate) fn damages(&self, segment: i64, blob: Blob) -> Vec<DbErr> {
        let pages: Vec<usize> = match self {
            Self::Integers(pages) => pages.damaged().collect(),
            Self::Numbers(pages) => pages.damaged().collect(),
        };
        pages.into_iter().map(|page| damaged(segment, blob, Damage::Page(page))).collect()
    }

    /// Returns the size in memory, in bytes, roughly.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Integers(pages) => pages.weight(),
            Self::Numbers(pages) => pages.weight(),
        }
    }
}

/// A segment whose columns are read, page by page.
#[derive(Debug)]
pub(crate) struct OpenSegment {
    pub(crate) row: segment::Model,
    pub(crate) directory: Arc<Directory>,
    integers: [ColumnReader<i64>; 6],
    numbers: [ColumnReader<f64>; 5],
    postings: ColumnReader<i64>,
    scratch: DecompressorScratch,
    page: usize,
    page_size: usize,
}

/// A column that is read.
#[derive(Debug)]
struct ColumnReader<T: Number> {
    /// Absent until it is loaded.
    pages: Option<Arc<Pages<T>>>,
    /// The page that was read last, and its values.
    page: Option<usize>,
    values: Vec<T>,
}

impl<T: Number> Default for ColumnReader<T> {
    fn default() -> Self {
        Self { pages: None, page: None, values: Vec::new() }
    }
}

impl<T: Number> ColumnReader<T> {
    /// Reads a page into `values`. Returns false if it is left out.
    fn read(&mut self, page: usize, rows: usize, scratch: &mut DecompressorScratch) -> Result<bool, Damage> {
        if self.page == Some(page) {
            return Ok(true);
        }
        let pages = self.pages.as_ref().ok_or(Damage::Head)?;
        if pages.is_left_out(page) {
            return Ok(false);
        }
        self.page = None;
        pages.read(page, rows, &mut self.values, scratch)?;
        self.page = Some(page);
        Ok(true)
    }
}

impl OpenSegment {
    /// Opens a segment, none of whose columns is loaded yet.
    pub(crate) fn new(row: segment::Model, directory: Arc<Directory>) -> Self {
        let page_size = usize::try_from(row.page_size).unwrap_or(1).max(1);
        let (integers, numbers, postings, scratch) = Default::default();
        Self { row, directory, integers, numbers, postings, scratch, page: 0, page_size }
    }

    /// Returns the blob of `column`, if it has one that is not loaded yet.
    pub(crate) fn lacks(&self, column: Column) -> Option<Blob> {
        let is_loaded = match column {
            Column::Key if self.is_dense() => true,
            Column::Resource(resource) => self.numbers[resource.index()].pages.is_some(),
            column => self.integers[column.index()].pages.is_some(),
        };
        (!is_loaded).then(|| Blob::of(column))
    }

    /// Returns whether the postings are not loaded yet.
    pub(crate) fn lacks_postings(&self) -> bool {
        self.postings.pages.is_none()
    }

    fn is_dense(&self) -> bool {
        self.row.last_metric_id - self.row.first_metric_id + 1 == self.row.metric_count
    }

    /// Takes a column.
    pub(crate) fn load(&mut self, blob: Blob, column: OpenColumn) {
        let index = usize::from(blob.0).checked_sub(1);
        match (index, column) {
            (Some(column @ 0..6), OpenColumn::Integers(pages)) => self.integers[column].pages = Some(pages),
            (Some(column @ 6..11), OpenColumn::Numbers(pages)) => self.numbers[column - 6].pages = Some(pages),
            (_, OpenColumn::Integers(pages)) => self.postings.pages = Some(pages),
            (_, OpenColumn::Numbers(_)) => {}
        }
    }

    /// Returns the number of pages.
    pub(crate) fn pages(&self) -> usize {
        self.directory.zones.len()
    }

    /// Returns the number of rows in a page, except for the last one.
    pub(crate) fn page_size(&self) -> usize {
        self.page_size
    }

    /// Selects the page that [`Rows`] reads from.
    pub(crate) fn select(&mut self, page: usize) {
        self.page = page;
    }

    fn rows_of(&self, page: usize) -> usize {
        let all = usize::try_from(self.row.metric_count).unwrap_or_default();
        all.saturating_sub(page * self.page_size).min(self.page_size)
    }

    /// Returns the rows at these places of the postings.
    ///
    /// # Errors
    /// If they are damaged.
    pub(crate) fn postings(&mut self, places: std::ops::Range<u32>) -> Result<Vec<usize>, DbErr> {
        let (mut place, end) = (places.start as usize, places.end as usize);
        let mut rows = Vec::with_capacity(end - place);
        while place < end {
            let page = place / self.page_size;
            let length = self.rows_of(page);
            let read = self.postings.read(page, length, &mut self.scratch);
            read.map_err(|damage| damaged(self.row.id, Blob::POSTINGS, damage))?;
            let first = place % self.page_size;
            let last = (first + end - place).min(length);
            if last <= first {
                break;
            }
            rows.extend(self.postings.values[first..last].iter().filter_map(|row| usize::try_from(*row).ok()));
            place += last - first;
        }
        Ok(rows)
    }

    /// Reads the selected page of the values of `resource`. Returns false if it is left out.
    fn is_read(&mut self, resource: Resource) -> Result<bool, DbErr> {
        let (page, rows) = (self.page, self.rows());
        let read = self.numbers[resource.index()].read(page, rows, &mut self.scratch);
        // Nothing but CPU usage can be derived.
        let read = read.and_then(|is_read| {
            if is_read || resource == Resource::CpuUsage { Ok(is_read) } else { Err(Damage::Page(page)) }
        });
        read.map_err(|damage| damaged(self.row.id, Blob::of(Column::Resource(resource)), damage))
    }

    /// Returns the metrics at these rows of the selected page. All columns must be loaded.
    ///
    /// # Errors
    /// If a page is damaged.
    pub(crate) fn metrics(&mut self, rows: &[usize]) -> Result<Vec<metric::Model>, DbErr> {
        for column in &Column::ALL[..6] {
            self.integers(*column)?;
        }
        for resource in Resource::ALL {
            self.numbers(resource)?;
        }
        let integers = self.integers.each_ref().map(|column| column.values.as_slice());
        let numbers = self.numbers.each_ref().map(|column| column.values.as_slice());
        let (first, texts) = (self.page * self.page_size, &self.directory.texts);
        let metric = |row: &usize| {
            let text = texts.binary_search_by_key(&(first + row), |(at, _)| *at).ok();
            let text = text.map(|index| texts[index].1.clone());
            model(integers.map(|column| column[*row]), numbers.map(|column| column[*row]), text)
        };
        Ok(rows.iter().map(metric).collect())
    }
}

/// What CPU usage is derived from.
pub(crate) const TIMES: [Resource; 3] = [Resource::TotalTime, Resource::UserTime, Resource::KernelTime];

fn damaged(segment: i64, Blob(number): Blob, damage: Damage) -> DbErr {
    let page = match damage {
        Damage::Head => "head".to_owned(),
        Damage::Page(page) => format!("page {page}"),
    };
    DbErr::Custom(format!("segment {segment} is damaged: column {number}, {page}: restore it from a backup"))
}

impl Rows for OpenSegment {
    fn rows(&self) -> usize {
        self.rows_of(self.page)
    }

    fn integers(&mut self, column: Column) -> Result<&[i64], DbErr> {
        let rows = self.rows();
        let first = self.row.first_metric_id + i64::try_from(self.page * self.page_size).unwrap_or(i64::MAX);
        let is_dense = column == Column::Key && self.is_dense();
        let range = self.directory.zones.get(self.page).and_then(|zone| keys_of(column, zone));
        let reader = &mut self.integers[column.index()];
        if reader.page == Some(self.page) {
            return Ok(&self.integers[column.index()].values);
        }
        match range {
            _ if is_dense => reader.values = (first..).take(rows).collect(),
            // Nothing needs to be decoded.
            Some(Range { least, greatest }) if least == greatest => {
                reader.values.clear();
                reader.values.resize(rows, least);
            }
            range => {
                let read = reader.read(self.page, rows, &mut self.scratch);
                let read = read.and_then(|is_read| if is_read { Ok(()) } else { Err(Damage::Page(self.page)) });
                read.map_err(|damage| damaged(self.row.id, Blob::of(column), damage))?;
                if let Some(Range { least, .. }) = range {
                    reader.values.iter_mut().for_each(|value| *value += least);
                }
            }
        }
        reader.page = Some(self.page);
        Ok(&self.integers[column.index()].values)
    }

    fn numbers(&mut self, resource: Resource) -> Result<&[f64], DbErr> {
        if !self.is_read(resource)? {
            for time in TIMES {
                self.numbers(time)?;
            }
            let [total, user, kernel] = TIMES.map(|time| &self.numbers[time.index()].values);
            let times = user.iter().zip(kernel).zip(total);
            let derived = times.map(|((user, kernel), total)| cpu_usage(*user, *kernel, *total)).collect();
            let page = self.page;
            let reader = &mut self.numbers[resource.index()];
            (reader.values, reader.page) = (derived, Some(page));
        }
        Ok(&self.numbers[resource.index()].values)
    }
}
