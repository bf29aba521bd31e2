//! The dimensions: what metrics can be grouped by, and how the keys of sessions, contexts and variants lead there.

use std::{collections::HashMap, sync::Arc};

use jiff::civil::{Date, date};
use sea_orm::DbErr;

use crate::{
    driver::source::Source as _,
    history::{Dimension as Reference, Extent, Key, NO_GROUP, Range},
    query::Store,
};

/// An hour, in microseconds.
const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;
/// The first Monday since 1970, in microseconds.
const MONDAY: i64 = 4 * DAY;

/// Something that each metric belongs to one of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dimension {
    /// The project of the session.
    Project,
    /// The component.
    Component,
    /// The item.
    Item,
    /// The variant.
    Variant,
    /// The kind of the variant: a text.
    Kind,
    /// The session, announced or not.
    Session,
    /// The run of the session.
    Run,
    /// The pipeline of the session.
    Pipeline,
    /// The build of the session; none for sessions of a pipeline without a build number.
    Build,
    /// The branch of the session.
    Branch,
    /// The revision of the session: a text.
    ScmRef,
    /// The execution context, announced or not.
    Context,
    /// The network name of the machine: a text.
    Machine,
    /// The class of the machine.
    MachineClass,
    /// Whether the test passed.
    Outcome,
}

/// A period of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimeBucket {
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// A week of ISO 8601, from Monday to Sunday.
    Week,
    /// A month.
    Month,
}

/// What metrics are grouped by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum GroupBy {
    /// What they belong to.
    By(Dimension),
    /// The value of the tag of this name that their session has.
    Tag(String),
    /// The period in which the tests began, on the clocks of their machines.
    Time(TimeBucket),
}

/// What the metrics of a group have in common in one of the things that they are grouped by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Thing {
    /// The key of a row.
    Row(i64),
    /// A text.
    Text(String),
    /// The first moment of a period, in microseconds.
    Since(i64),
    /// Whether the test passed.
    Passed(bool),
    /// That there is none.
    Nothing,
}

/// How rows that metrics refer to lead to what metrics are grouped by.
struct Mapping {
    /// What kind of rows these are.
    of: Reference,
    /// Selects their keys from `$1` to `$2`, each with what it leads to, if there is such a thing.
    select: &'static str,
    /// Whether that is a text. Otherwise it is a key.
    is_text: bool,
}

impl Dimension {
    /// Returns the kind of rows that metrics refer to, if it is these that they are grouped by.
    fn own(self) -> Option<Reference> {
        match self {
            Self::Variant => Some(Reference::Variant),
            Self::Session => Some(Reference::Session),
            Self::Context => Some(Reference::Context),
            _ => None,
        }
    }

    /// A new dimension is a line here, and one in [`Self::names`] if its rows have names.
    fn mapping(self) -> Option<Mapping> {
        let (of, is_text, select) = match self {
            Self::Variant | Self::Session | Self::Context | Self::Outcome => return None,
            Self::Component => (
                Reference::Variant,
                false,
                "SELECT variant.id, item.component_id FROM variant JOIN item ON item.id = variant.item_id
                 WHERE variant.id BETWEEN $1 AND $2",
            ),
            Self::Item => (Reference::Variant, false, "SELECT id, item_id FROM variant WHERE id BETWEEN $1 AND $2"),
            Self::Kind => (Reference::Variant, true, "SELECT id, kind FROM variant WHERE id BETWEEN $1 AND $2"),
            Self::Pipeline => (
                Reference::Session,
                false,
                "SELECT session.id, build.pipeline_id FROM session JOIN build ON build.id = session.build_id
                 WHERE session.id BETWEEN $1 AND $2",
            ),
            Self::Build => (
                Reference::Session,
                false,
                "SELECT session.id, build.id FROM session JOIN build ON build.id = session.build_id
                 WHERE session.id BETWEEN $1 AND $2 AND build.name <> ''",
            ),
            Self::Project => (
                Reference::Session,
                false,
                "SELECT id, project_id FROM session WHERE id BETWEEN $1 AND $2 AND project_id IS NOT NULL",
            ),
            Self::Run => (
                Reference::Session,
                false,
                "SELECT id, run_id FROM session WHERE id BETWEEN $1 AND $2 AND run_id IS NOT NULL",
            ),
            Self::Branch => (
                Reference::Session,
                false,
                "SELECT id, branch_id FROM session WHERE id BETWEEN $1 AND $2 AND branch_id IS NOT NULL",
            ),
            Self::MachineClass => (
                Reference::Context,
                false,
                "SELECT id, machine_class_id FROM execution_context
                 WHERE id BETWEEN $1 AND $2 AND machine_class_id IS NOT NULL",
            ),
            Self::ScmRef => (
                Reference::Session,
                true,
                "SELECT id, scm_ref FROM session WHERE id BETWEEN $1 AND $2 AND scm_ref IS NOT NULL",
            ),
            Self::Machine => (
                Reference::Context,
                true,
                "SELECT id, machine_node FROM execution_context WHERE id BETWEEN $1 AND $2 AND machine_node IS NOT NULL",
            ),
        };
        Some(Mapping { of, select, is_text })
    }

    /// Returns the query for the names of the rows that metrics are grouped by. Those without names, or whose names are numbers,
    /// are in order of arrival.
    pub(crate) fn names(self) -> Option<&'static str> {
        match self {
            Self::Component => Some("SELECT id, name FROM component"),
            Self::Item => Some("SELECT id, path || '.' || name FROM item"),
            Self::Variant => Some("SELECT id, location || '::' || name FROM variant"),
            Self::Pipeline => Some("SELECT id, name FROM pipeline"),
            Self::Project => Some("SELECT id, name FROM project"),
            Self::Branch => Some("SELECT id, name FROM branch"),
            _ => None,
        }
    }
}

/// Selects the values of a tag, whose name is `$3`. A session has no tag twice.
const SELECT_TAG: &str =
    "SELECT session_tag.session_id, tag.value FROM session_tag JOIN tag ON tag.id = session_tag.tag_id
    WHERE session_tag.session_id BETWEEN $1 AND $2 AND tag.name = $3";

/// What the numbers of a [`Key`] stand for.
#[derive(Debug)]
pub(crate) enum Things {
    /// Rows with consecutive keys.
    Rows { first: i64, len: usize },
    /// These; what is not among them is [`Thing::Nothing`].
    Each(Vec<Thing>),
    /// Periods of the same length, in microseconds.
    Periods { first: i64, width: i64, len: usize },
    /// Outcomes, as the column has them.
    Outcomes,
}

impl Things {
    /// Returns how many there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Rows { len, .. } | Self::Periods { len, .. } => *len,
            Self::Each(things) => things.len() + 1,
            Self::Outcomes => 3,
        }
    }

    /// Returns what a number stands for.
    pub(crate) fn of(&self, number: u32) -> Thing {
        match self {
            Self::Rows { first, .. } => Thing::Row(first + i64::from(number)),
            Self::Each(things) => things.get(number as usize).cloned().unwrap_or(Thing::Nothing),
            Self::Periods { first, width, .. } => Thing::Since(first + i64::from(number) * width),
            Self::Outcomes => match number {
                1 => Thing::Passed(false),
                2 => Thing::Passed(true),
                _ => Thing::Nothing,
            },
        }
    }

    /// Returns the number of [`Thing::Nothing`].
    pub(crate) fn nothing(&self) -> Option<u32> {
        match self {
            Self::Each(things) => u32::try_from(things.len()).ok(),
            Self::Outcomes => Some(0),
            Self::Rows { .. } | Self::Periods { .. } => None,
        }
    }
}

/// Returns how metrics of `extent` are grouped by `by`, and what the numbers stand for.
///
/// # Errors
/// If the database fails.
pub(crate) async fn resolved(db: &Store, by: &GroupBy, extent: &Extent) -> Result<(Key, Things), DbErr> {
    match by {
        GroupBy::Time(bucket) => Ok(periods(*bucket, extent.zone.started_at)),
        GroupBy::Tag(name) => {
            let Range { least, greatest } = extent.zone.sessions;
            let bounds = [least.into(), greatest.into(), name.as_str().into()];
            let rows = db.select::<(i64, String), 3>(SELECT_TAG, bounds).await?;
            Ok(numbered(Reference::Session, extent.zone.sessions, texts(rows)))
        }
        GroupBy::By(dimension) => match (dimension.own(), dimension.mapping()) {
            (Some(own), _) => {
                let Range { least: first, greatest } = references(db, own, extent).await?;
                let len = usize::try_from(greatest - first + 1).unwrap_or_default();
                Ok((Key::Own { dimension: own, first, len }, Things::Rows { first, len }))
            }
            (None, Some(Mapping { of, select, is_text })) => {
                let range = references(db, of, extent).await?;
                let bounds = [range.least.into(), range.greatest.into()];
                let rows = if is_text {
                    texts(db.select::<(i64, String), 2>(select, bounds).await?)
                } else {
                    let rows = db.select::<(i64, i64), 2>(select, bounds).await?;
                    rows.into_iter().map(|(key, row)| (key, Thing::Row(row))).collect()
                };
                Ok(numbered(of, range, rows))
            }
            // Of the dimensions, only the outcome is a column.
            (None, None) => Ok((Key::Passed, Things::Outcomes)),
        },
    }
}

fn texts(rows: Vec<(i64, String)>) -> Vec<(i64, Thing)> {
    rows.into_iter().map(|(key, text)| (key, Thing::Text(text))).collect()
}

/// Returns the range of the keys of what the metrics of `extent` refer to.
async fn references(db: &Store, of: Reference, extent: &Extent) -> Result<Range<i64>, DbErr> {
    Ok(match of {
        Reference::Session => extent.zone.sessions,
        Reference::Context => extent.zone.contexts,
        Reference::Variant => {
            let last = db.select::<Option<i64>, 0>("SELECT MAX(id) FROM variant", []).await?.pop().flatten();
            Range { least: 1, greatest: last.unwrap_or_default() }
        }
    })
}

/// Numbers what rows with keys in `range` lead to. The last number is that of rows that lead nowhere.
fn numbered(dimension: Reference, range: Range<i64>, rows: Vec<(i64, Thing)>) -> (Key, Things) {
    let Range { least: first, greatest } = range;
    let mut numbers = vec![NO_GROUP; usize::try_from(greatest - first + 1).unwrap_or_default()];
    let (mut number_of, mut things) = (HashMap::new(), Vec::new());
    for (key, thing) in rows {
        let Some(number) = usize::try_from(key - first).ok().and_then(|index| numbers.get_mut(index)) else { continue };
        *number = *number_of.entry(thing.clone()).or_insert_with(|| {
            things.push(thing);
            u32::try_from(things.len() - 1).unwrap_or(NO_GROUP)
        });
    }
    let nothing = u32::try_from(things.len()).unwrap_or(NO_GROUP);
    numbers.iter_mut().filter(|number| **number == NO_GROUP).for_each(|number| *number = nothing);
    (Key::Of { dimension, first, numbers: Arc::new(numbers), len: things.len() + 1 }, Things::Each(things))
}

/// Returns the periods in which tests between these times began.
fn periods(bucket: TimeBucket, Range { least, greatest }: Range<i64>) -> (Key, Things) {
    let (width, origin) = match bucket {
        TimeBucket::Hour => (HOUR, 0),
        TimeBucket::Day => (DAY, 0),
        TimeBucket::Week => (7 * DAY, MONDAY),
        TimeBucket::Month => {
            let starts: Vec<i64> = months(least, greatest).collect();
            let things = starts.iter().map(|start| Thing::Since(*start)).collect();
            return (Key::Time(Arc::new(starts)), Things::Each(things));
        }
    };
    let first = (least - origin).div_euclid(width) * width + origin;
    let len = usize::try_from((greatest - first).div_euclid(width) + 1).unwrap_or_default();
    (Key::Every { first, width, len }, Things::Periods { first, width, len })
}

/// Returns the first moments of the months from that of `least` to that of `greatest`, in microseconds.
fn months(least: i64, greatest: i64) -> impl Iterator<Item = i64> {
    let epoch = date(1970, 1, 1);
    let since = move |date: Date| date.duration_since(epoch).as_secs() * 1_000_000;
    let day = epoch.checked_add(jiff::SignedDuration::from_hours(24 * least.div_euclid(DAY))).unwrap_or(epoch);
    std::iter::successors(Some(day.first_of_month()), |month| month.checked_add(jiff::Span::new().months(1)).ok())
        .map(since)
        .take_while(move |start| *start <= greatest)
}

#[cfg(test)]
mod tests {
    use super::{DAY, HOUR, Range, Thing, Things, TimeBucket, periods};

    /// Returns the starts of all periods between two times.
    fn starts(bucket: TimeBucket, least: i64, greatest: i64) -> Vec<String> {
        let (_, things) = periods(bucket, Range { least, greatest });
        let len = if matches!(things, Things::Each(_)) { things.len() - 1 } else { things.len() };
        let start = |number| match things.of(number) {
            Thing::Since(start) => crate::time::canonical(start),
            other => format!("{other:?}"),
        };
        (0..).take(len).map(start).collect()
    }

    #[test]
    fn periods_begin_where_the_calendar_says() {
        // 2024-12-30 is the Monday of week 1 of 2025.
        let (least, greatest) = (20_087 * DAY + 5 * HOUR, 20_094 * DAY + 1);
        assert_eq!(starts(TimeBucket::Week, least, greatest), ["2024-12-30T00:00:00", "2025-01-06T00:00:00"]);
        assert_eq!(starts(TimeBucket::Month, least, greatest), ["2024-12-01T00:00:00", "2025-01-01T00:00:00"]);
        assert_eq!(starts(TimeBucket::Day, least, greatest).len(), 8);
        assert_eq!(starts(TimeBucket::Hour, least, least + HOUR), ["2024-12-30T05:00:00", "2024-12-30T06:00:00"]);
        assert_eq!(starts(TimeBucket::Week, -1, 0), ["1969-12-29T00:00:00"]);
        assert_eq!(starts(TimeBucket::Month, -1, 0), ["1969-12-01T00:00:00", "1970-01-01T00:00:00"]);
        let (year_1, year_9999) = (-719_162 * DAY, 2_932_897 * DAY - 1);
        assert_eq!(starts(TimeBucket::Month, year_1, year_9999).len(), 9_999 * 12);
        assert_eq!(starts(TimeBucket::Week, year_1, year_1), ["0001-01-01T00:00:00"]);
    }
}
