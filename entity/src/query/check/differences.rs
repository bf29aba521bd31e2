//! Differences between what is kept of metrics and what these say.

use sea_orm::DbErr;

use crate::{
    driver::{
        row::{FromRow, Row},
        source::Source as _,
    },
    history::{Extremes, Facts, Kept, Predicate, Scan, ScanOrder, Stored, Wanted},
    query::Store,
    resource::Resource,
};

const SELECT_DELETIONS: &str = "SELECT deletions FROM history";
/// Rows that one statement reads.
const PAGE: usize = 2_000;
/// Differences that are described.
const MAX_SHOWN: usize = 20;
/// Characters of a name in a description.
const MAX_NAME: usize = 80;

/// What differs, of one kind.
#[derive(Debug, Default)]
pub struct Differences {
    /// The keys under which something else must be kept.
    pub keys: Vec<(i64, i64)>,
    /// Descriptions of the first of them.
    pub shown: Vec<String>,
    /// What metrics refer to and is not there.
    pub missing: Vec<String>,
    /// Whether more metrics were counted than there are.
    pub are_lost: bool,
}

/// A row as it is stored.
struct Page {
    last_key: i64,
    deletions: i64,
    key: (i64, i64),
    name: String,
    stored: Stored,
}

impl FromRow for Page {
    fn from_row(row: &mut Row<'_>) -> Result<Self, DbErr> {
        let (last_key, deletions) = (row.value()?, row.value()?);
        let key = (row.value()?, row.value()?);
        let name = row.value()?;
        let (count, first) = (row.value()?, row.value()?);
        let mut extremes = [(None::<f64>, None::<f64>); 5];
        for (least, greatest) in &mut extremes {
            (*least, *greatest) = (row.value()?, row.value()?);
        }
        // Not all of them, or none, is none.
        let of_each = extremes.map(|(least, greatest)| (least.unwrap_or(f64::NAN), greatest.unwrap_or(f64::NAN)));
        let are_there = of_each.iter().all(|(least, greatest)| !least.is_nan() && !greatest.is_nan());
        let extremes = are_there.then_some(Extremes(of_each));
        Ok(Self { last_key, deletions, key, name, stored: Stored { count, first, extremes } })
    }
}

fn table(kept: Kept) -> &'static str {
    match kept {
        Kept::Session => "session",
        Kept::Context => "execution_context",
        Kept::Variant => "variant",
        Kept::SessionComponent => "session_component",
        Kept::SessionContext => "session_context",
    }
}

/// Selects the next rows after `$1`, `$2`, with how far the history goes at the same moment.
fn select(kept: Kept) -> String {
    let table = table(kept);
    let (columns, more, order) = match kept {
        Kept::Session | Kept::Context => (
            format!("{table}.id, CAST(0 AS BIGINT), {table}.hash, {table}.metric_count, CAST(0 AS BIGINT)"),
            String::new(),
            format!("{table}.id"),
        ),
        Kept::Variant => (
            "variant.id, CAST(0 AS BIGINT), variant.name, variant.metric_count, CAST(0 AS BIGINT)".to_owned(),
            String::new(),
            "variant.id".to_owned(),
        ),
        Kept::SessionComponent => (
            "session_component.session_id, session_component.component_id, \
             COALESCE(session.hash, '') || ', component ' || COALESCE(component.name, ''), \
             session_component.metric_count, session_component.first_metric_id"
                .to_owned(),
            "LEFT JOIN session ON session.id = session_component.session_id \
             LEFT JOIN component ON component.id = session_component.component_id"
                .to_owned(),
            "session_component.session_id, session_component.component_id".to_owned(),
        ),
        Kept::SessionContext => (
            "session_context.session_id, session_context.context_id, \
             COALESCE(session.hash, '') || ', context ' || COALESCE(execution_context.hash, ''), \
             CAST(1 AS BIGINT), CAST(0 AS BIGINT)"
                .to_owned(),
            "LEFT JOIN session ON session.id = session_context.session_id \
             LEFT JOIN execution_context ON execution_context.id = session_context.context_id"
                .to_owned(),
            "session_context.session_id, session_context.context_id".to_owned(),
        ),
    };
    let extremes = Resource::ALL.map(|resource| match kept {
        Kept::Variant => format!("variant.min_{0}, variant.max_{0}", resource.column()),
        _ => "CAST(NULL AS DOUBLE PRECISION), CAST(NULL AS DOUBLE PRECISION)".to_owned(),
    });
    let after = match kept {
        Kept::SessionComponent | Kept::SessionContext => format!("({order}) > ($1, $2)"),
        _ => format!("{order} > $1 AND CAST($2 AS BIGINT) = 0"),
    };
    format!(
        "SELECT COALESCE(history.last_metric_id, 0), COALESCE(history.deletions, 0), {columns}, {} FROM {table} \
         LEFT JOIN history ON 1 = 1 {more} WHERE {after} ORDER BY {order} LIMIT {PAGE}",
        extremes.join(", ")
    )
}

/// Returns what differs from the facts, which are brought up to date. `None` if all must be read again.
///
/// # Errors
/// If the database fails.
pub async fn differences(db: &Store, kept: Kept, facts: &mut Facts) -> Result<Option<Differences>, DbErr> {
    let (sql, mut after) = (select(kept), (i64::MIN, 0));
    let mut found = Differences::default();
    let (mut counted, mut there) = (0_i64, 0_i64);
    loop {
        let rows: Vec<Page> = db.select(&sql, [after.0.into(), after.1.into()]).await?;
        let Some(Page { last_key, deletions, key: until, .. }) = rows.last() else { break };
        if *deletions != facts.deletions || !advance(db, facts, *last_key).await? {
            return Ok(None);
        }
        let mut expected = facts.keys(kept, after, Some(*until)).into_iter().peekable();
        for row in &rows {
            while let Some(key) = expected.next_if(|key| *key < row.key) {
                found.lacks(kept, facts, key);
            }
            expected.next_if(|key| *key == row.key);
            let fact = facts.of_key(kept, row.key);
            (counted, there) = (counted.saturating_add(row.stored.count), there + fact.count);
            if let Some(difference) = differs(kept, &row.stored, &fact) {
                let name: String = row.name.escape_debug().take(MAX_NAME).collect();
                found.add(row.key, format!("{} {} ({name}): {difference}", table(kept), spelled(kept, row.key)));
            }
        }
        for key in expected {
            found.lacks(kept, facts, key);
        }
        after = *until;
    }
    for key in facts.keys(kept, after, None) {
        found.lacks(kept, facts, key);
    }
    found.are_lost = counted > there;
    Ok(is_current(db, facts).await?.then_some(found))
}

/// Brings facts to a key. Returns false if all must be read again.
async fn advance(db: &Store, facts: &mut Facts, last_key: i64) -> Result<bool, DbErr> {
    if last_key <= facts.last_key {
        return Ok(true);
    }
    let scan = Scan::begin(db, &db.history).await?;
    if scan.snapshot.state.deletions != facts.deletions {
        return Ok(false);
    }
    let (order, last) = (ScanOrder::INSERTED, facts.last_key);
    let after = Some(order.place(last, last));
    let wanted = Wanted { order, after, before: None, limit: usize::MAX, distinct: None };
    let new = scan.list(&Predicate::all([]), &wanted).await?;
    facts.advance(db, &new, last_key).await?;
    Ok(true)
}

/// Returns whether no session was deleted since the facts were read.
async fn is_current(db: &Store, facts: &Facts) -> Result<bool, DbErr> {
    let deletions = db.select::<i64, 0>(SELECT_DELETIONS, []).await?.pop().unwrap_or_default();
    Ok(deletions == facts.deletions)
}

fn spelled(kept: Kept, key: (i64, i64)) -> String {
    match kept {
        Kept::SessionComponent | Kept::SessionContext => format!("{}/{}", key.0, key.1),
        _ => key.0.to_string(),
    }
}

/// What is said of metrics that refer to a row that is not there.
pub(super) fn stray(table: &str, key: i64, count: u64) -> String {
    format!("{count} metrics are of {table} {key}, which is not there: restore it from a backup")
}

impl Differences {
    fn add(&mut self, key: (i64, i64), description: String) {
        if self.shown.len() < MAX_SHOWN {
            self.shown.push(description);
        }
        self.keys.push(key);
    }

    /// Notes that a row is not there.
    fn lacks(&mut self, kept: Kept, facts: &Facts, key: (i64, i64)) {
        let fact = facts.of_key(kept, key);
        match kept {
            Kept::SessionComponent | Kept::SessionContext => {
                self.add(key, format!("{} {}: there is no row, and must be one", table(kept), spelled(kept, key)));
            }
            _ if self.missing.len() < MAX_SHOWN => {
                self.missing.push(stray(table(kept), key.0, fact.count.unsigned_abs()));
            }
            _ => {}
        }
    }
}

/// Describes how a row differs from the facts; `None` if it does not.
fn differs(kept: Kept, stored: &Stored, fact: &Stored) -> Option<String> {
    let is_pair = matches!(kept, Kept::SessionComponent | Kept::SessionContext);
    if is_pair && fact.count == 0 {
        return Some("there is a row, and must be none".to_owned());
    }
    // Extremes of no metrics say nothing.
    if stored == fact || stored.count == 0 && fact.count == 0 {
        return None;
    }
    let mut parts = Vec::new();
    if stored.count != fact.count {
        parts.push(format!("metric_count is {}, and must be {}", stored.count, fact.count));
    }
    if stored.first != fact.first {
        parts.push(format!("first_metric_id is {}, and must be {}", stored.first, fact.first));
    }
    match (&stored.extremes, &fact.extremes) {
        (Some(stored), Some(fact)) => {
            for (resource, (stored, fact)) in Resource::ALL.iter().zip(stored.0.iter().zip(&fact.0)) {
                for (end, stored, fact) in [("min", stored.0, fact.0), ("max", stored.1, fact.1)] {
                    if stored.total_cmp(&fact).is_ne() && (stored - fact).abs() > 0.0 {
                        parts.push(format!("{end}_{} is {stored}, and must be {fact}", resource.column()));
                    }
                }
            }
        }
        (None, Some(_)) => parts.push("its extremes are missing".to_owned()),
        _ => {}
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}
