//! The tables of the plugin and of monitor-server: which columns their versions have, and what their rows say.
//!
//! | written by | `TEST_METRICS` | `TEST_SESSIONS` |
//! |---|---|---|
//! | plugin 1.0 | names its run by `RUN_DATE` and `SCM_ID`; `ITEM` holds path and variant | there is none |
//! | plugin 1.1 to 1.3 | `SESSION_H`, `ENV_H` | `RUN_DESCRIPTION` is plain text |
//! | plugin 1.4 and later | the same | `RUN_DESCRIPTION` is JSON |
//! | monitor-server | `CONTEXT_H` in place of `ENV_H`, and a key | `SCM_REF`, and `DESCRIPTION` as JSON |
//!
//! Versions share files, and forks add `TEST_PASSED`. So each column is looked for by itself, and each row is read by what it has.

use std::borrow::Cow;

use entity::time::LocalDateTime;
use md5::{Digest as _, Md5};
use serde_json::Value;

use crate::ingest::{Defaults, NewContext, NewMetric, NewSession};

pub(super) const METRICS: &str = "TEST_METRICS";
pub(super) const SESSIONS: &str = "TEST_SESSIONS";
pub(super) const CONTEXTS: &str = "EXECUTION_CONTEXTS";

/// A value of a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell<'a> {
    Null,
    Integer(i64),
    Real(f64),
    Text(Cow<'a, str>),
    /// Something that is neither a number nor text in UTF-8.
    Other,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    Text,
    Number,
}

/// A value that is read: its names, of which a table has one or more, and what it holds.
pub(super) type Wanted = (&'static [&'static str], Holds);

/// What is read of metrics, in this order.
pub(super) const OF_METRICS: [Wanted; 17] = [
    (&["SESSION_H"], Holds::Text),
    (&["RUN_DATE"], Holds::Text),
    (&["SCM_ID", "SCM_REF"], Holds::Text),
    (&["ENV_H", "CONTEXT_H"], Holds::Text),
    (&["ITEM_START_TIME"], Holds::Text),
    (&["ITEM_PATH"], Holds::Text),
    (&["ITEM"], Holds::Text),
    (&["ITEM_VARIANT"], Holds::Text),
    (&["ITEM_FS_LOC"], Holds::Text),
    (&["KIND"], Holds::Text),
    (&["COMPONENT"], Holds::Text),
    (&["TOTAL_TIME"], Holds::Number),
    (&["USER_TIME"], Holds::Number),
    (&["KERNEL_TIME"], Holds::Number),
    (&["CPU_USAGE"], Holds::Number),
    (&["MEM_USAGE"], Holds::Number),
    (&["TEST_PASSED"], Holds::Text),
];

/// What is read of sessions.
pub(super) const OF_SESSIONS: [Wanted; 4] = [
    (&["SESSION_H"], Holds::Text),
    (&["RUN_DATE"], Holds::Text),
    (&["SCM_ID", "SCM_REF"], Holds::Text),
    (&["RUN_DESCRIPTION", "DESCRIPTION"], Holds::Text),
];

/// What is read of execution contexts.
pub(super) const OF_CONTEXTS: [Wanted; 11] = [
    (&["ENV_H"], Holds::Text),
    (&["CPU_COUNT"], Holds::Number),
    (&["CPU_FREQUENCY_MHZ"], Holds::Number),
    (&["CPU_TYPE"], Holds::Text),
    (&["CPU_VENDOR"], Holds::Text),
    (&["RAM_TOTAL_MB"], Holds::Number),
    (&["MACHINE_NODE"], Holds::Text),
    (&["MACHINE_TYPE"], Holds::Text),
    (&["MACHINE_ARCH"], Holds::Text),
    (&["SYSTEM_INFO"], Holds::Text),
    (&["PYTHON_INFO"], Holds::Text),
];

/// What names the run of a metric of plugin 1.0.
pub(super) const OF_RUNS: [Wanted; 2] = [(&["RUN_DATE"], Holds::Text), (&["SCM_ID", "SCM_REF"], Holds::Text)];

/// Returns the name of a column among `columns`, whatever its case.
fn column<'c>(columns: &'c [String], name: &str) -> Option<&'c str> {
    columns.iter().map(String::as_str).find(|column| column.eq_ignore_ascii_case(name))
}

/// Returns whether there is such a column.
pub(super) fn has(columns: &[String], name: &str) -> bool {
    column(columns, name).is_some()
}

/// Returns the expressions of what is wanted, where the table has these columns. `cast` gives an expression its type.
pub(super) fn expressions(columns: &[String], wanted: &[Wanted], cast: impl Fn(&str, Holds) -> String) -> Vec<String> {
    let expression = |(names, holds): &Wanted| {
        let found: Vec<String> =
            names.iter().filter_map(|name| column(columns, name)).map(|name| cast(&quoted(name), *holds)).collect();
        match &*found {
            [] => cast("NULL", *holds),
            [one] => one.clone(),
            several => format!("COALESCE({})", several.join(", ")),
        }
    };
    wanted.iter().map(expression).collect()
}

/// Returns a name as SQL writes it.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn optional_text(name: &str, cell: &Cell<'_>) -> Result<Option<String>, String> {
    match cell {
        Cell::Null => Ok(None),
        Cell::Text(text) => Ok(Some(text.clone().into_owned())),
        Cell::Integer(number) => Ok(Some(number.to_string())),
        Cell::Real(number) => Ok(Some(number.to_string())),
        Cell::Other => Err(format!("{name}: it is no text in UTF-8")),
    }
}

fn text(name: &str, cell: &Cell<'_>) -> Result<String, String> {
    optional_text(name, cell)?.ok_or_else(|| format!("{name}: it is missing"))
}

fn number(name: &str, cell: &Cell<'_>) -> Result<f64, String> {
    let number = match cell {
        Cell::Integer(number) => number.to_string().parse().ok(),
        Cell::Real(number) => Some(*number),
        Cell::Text(text) => text.trim().parse().ok(),
        Cell::Null => return Err(format!("{name}: it is missing")),
        Cell::Other => None,
    };
    match number {
        Some(number) if number.is_finite() => Ok(number),
        _ => Err(format!("{name}: it is no number that can be stored")),
    }
}

fn whole(name: &str, cell: &Cell<'_>) -> Result<i64, String> {
    if let Cell::Integer(number) = cell {
        return Ok(*number);
    }
    let value = number(name, cell)?;
    // Without a fraction it is written as an integer.
    value.to_string().parse().map_err(|_| format!("{name}: it is no whole number"))
}

fn time(name: &str, cell: &Cell<'_>) -> Result<LocalDateTime, String> {
    let text = text(name, cell)?;
    LocalDateTime::parse(&text).map_err(|_| format!("{name}: it is no time in ISO 8601"))
}

fn truth(name: &str, cell: &Cell<'_>) -> Result<Option<bool>, String> {
    let Some(text) = optional_text(name, cell)? else { return Ok(None) };
    match &*text.to_ascii_lowercase() {
        "1" | "true" | "t" | "passed" => Ok(Some(true)),
        "0" | "false" | "f" | "failed" => Ok(Some(false)),
        "" => Ok(None),
        _ => Err(format!("{name}: it is neither true nor false")),
    }
}

/// Returns the hash of a session of plugin 1.0, which gave none: that which 1.1 gives to a session without a description.
pub(super) fn run_hash(run_date: &str, scm_ref: &str) -> String {
    let digest = Md5::new().chain_update(scm_ref).chain_update(run_date).finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads a metric from the values of [`OF_METRICS`].
///
/// # Errors
/// The column that is wrong, and why.
pub(super) fn metric(cells: &[Cell<'_>; 17]) -> Result<NewMetric, String> {
    let [
        session,
        run_date,
        revision,
        context,
        start,
        path,
        item,
        variant,
        location,
        kind,
        component,
        numbers @ ..,
        passed,
    ] = cells;
    let [total_time, user_time, kernel_time, cpu_usage, memory_usage] = numbers;
    let session_hash = match (optional_text("SESSION_H", session)?, optional_text("RUN_DATE", run_date)?) {
        (Some(hash), _) => hash,
        (None, Some(date)) => run_hash(&date, &optional_text("SCM_ID", revision)?.unwrap_or_default()),
        (None, None) => return Err("SESSION_H: it is missing".to_owned()),
    };
    let (kind, item) = (text("KIND", kind)?, text("ITEM", item)?);
    let (path, item, variant) = match optional_text("ITEM_PATH", path)? {
        Some(path) => (path, item, optional_text("ITEM_VARIANT", variant)?.unwrap_or_default()),
        None => item_of_first_version(&kind, &item),
    };
    Ok(NewMetric {
        session_hash,
        context_hash: text("ENV_H", context)?,
        started_at: time("ITEM_START_TIME", start)?,
        component: optional_text("COMPONENT", component)?.unwrap_or_default(),
        item_path: path,
        item,
        variant,
        location: optional_text("ITEM_FS_LOC", location)?.unwrap_or_default(),
        kind,
        total_time: number("TOTAL_TIME", total_time)?,
        user_time: number("USER_TIME", user_time)?,
        kernel_time: number("KERNEL_TIME", kernel_time)?,
        cpu_usage: number("CPU_USAGE", cpu_usage)?,
        memory_usage: number("MEM_USAGE", memory_usage)?,
        passed: truth("TEST_PASSED", passed)?,
    })
}

/// Takes apart what plugin 1.0 wrote into ITEM, as later versions write it: path, item and variant.
fn item_of_first_version(kind: &str, text: &str) -> (String, String, String) {
    match text.split_once('/') {
        // `package.module/test_name[a-b]`.
        Some((path, variant)) => {
            let item = variant.split('[').next().unwrap_or(variant);
            (path.to_owned(), item.to_owned(), variant.replace('-', ", "))
        }
        None if kind == "module" => {
            let (path, item) = text.rsplit_once('.').unwrap_or(("", text));
            (path.to_owned(), item.to_owned(), String::new())
        }
        None => (String::new(), text.to_owned(), text.to_owned()),
    }
}

/// Reads a session from the values of [`OF_SESSIONS`].
///
/// # Errors
/// The column that is wrong, and why.
pub(super) fn session([hash, run_date, revision, description]: &[Cell<'_>; 4]) -> Result<NewSession, String> {
    Ok(NewSession {
        hash: text("SESSION_H", hash)?,
        run_date: time("RUN_DATE", run_date)?,
        scm_ref: optional_text("SCM_ID", revision)?,
        tags: tags(&optional_text("RUN_DESCRIPTION", description)?.unwrap_or_default())?,
        project: None,
        defaults: Some(Defaults::default()),
    })
}

/// Reads the session of metrics of plugin 1.0 from the values of [`OF_RUNS`].
///
/// # Errors
/// The column that is wrong, and why.
pub(super) fn run([run_date, revision]: &[Cell<'_>; 2]) -> Result<NewSession, String> {
    let scm_ref = optional_text("SCM_ID", revision)?.unwrap_or_default();
    Ok(NewSession {
        hash: run_hash(&text("RUN_DATE", run_date)?, &scm_ref),
        run_date: time("RUN_DATE", run_date)?,
        scm_ref: Some(scm_ref),
        tags: Vec::new(),
        project: None,
        defaults: Some(Defaults::default()),
    })
}

/// Maximum number of tags of a session.
const MAX_TAGS: usize = 100;

/// Reads the description of a session: a JSON object has its tags, any other text is the tag `description`, as with REST v1.
fn tags(description: &str) -> Result<Vec<(String, String)>, String> {
    let members = match serde_json::from_str(description) {
        Ok(Value::Object(members)) => members,
        // Some versions of the plugin sent JSON as a text, which monitor-server stored as one.
        Ok(Value::String(inner)) => return tags(&inner),
        Ok(Value::Null) => return Ok(Vec::new()),
        _ if description.is_empty() => return Ok(Vec::new()),
        _ => return Ok(vec![("description".to_owned(), description.to_owned())]),
    };
    if members.len() > MAX_TAGS {
        return Err(format!("RUN_DESCRIPTION: a session has at most {MAX_TAGS} tags, not {}", members.len()));
    }
    let text = |value| match value {
        Value::String(text) => text,
        Value::Null => String::new(),
        // Lists and objects are kept as JSON.
        other => other.to_string(),
    };
    Ok(members.into_iter().map(|(name, value)| (name, text(value))).collect())
}

/// Reads an execution context from the values of [`OF_CONTEXTS`].
///
/// # Errors
/// The column that is wrong, and why.
pub(super) fn context(cells: &[Cell<'_>; 11]) -> Result<NewContext, String> {
    let [hash, count, frequency, cpu, vendor, memory, node, machine, arch, system, python] = cells;
    Ok(NewContext {
        hash: text("ENV_H", hash)?,
        cpu_count: whole("CPU_COUNT", count)?,
        cpu_frequency: number("CPU_FREQUENCY_MHZ", frequency)?,
        cpu_type: optional_text("CPU_TYPE", cpu)?.unwrap_or_default(),
        cpu_vendor: optional_text("CPU_VENDOR", vendor)?,
        ram_total: whole("RAM_TOTAL_MB", memory)?,
        machine_node: optional_text("MACHINE_NODE", node)?.unwrap_or_default(),
        machine_type: optional_text("MACHINE_TYPE", machine)?.unwrap_or_default(),
        machine_arch: optional_text("MACHINE_ARCH", arch)?.unwrap_or_default(),
        system_info: optional_text("SYSTEM_INFO", system)?.unwrap_or_default(),
        python_info: optional_text("PYTHON_INFO", python)?.unwrap_or_default(),
    })
}
