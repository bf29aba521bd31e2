//! Records as lines of JSON: what `metrograph export --format ndjson` writes and `metrograph import` reads.

use entity::time::LocalDateTime;
use serde::{Deserialize, Serialize};

use crate::{
    ingest::{Defaults, NewContext, NewMetric, NewSession},
    transfer::record::Record,
};

/// The first line of a file.
pub(super) const FIRST_LINE: &str = r#"{"type":"metrograph","format":1}"#;

/// How lines of metrics begin: most lines do.
const METRIC: &str = r#"{"type":"metric","#;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ContextLine {
    r#type: String,
    hash: String,
    cpu_count: i64,
    cpu_frequency: f64,
    cpu_type: String,
    cpu_vendor: Option<String>,
    ram_total: i64,
    machine_node: String,
    machine_type: String,
    machine_arch: String,
    system_info: String,
    python_info: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SessionLine {
    r#type: String,
    hash: String,
    run_date: String,
    scm_ref: Option<String>,
    project: Option<String>,
    tags: Vec<TagMember>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TagMember {
    name: String,
    value: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MetricLine {
    r#type: String,
    session_hash: String,
    context_hash: String,
    started_at: String,
    component_name: String,
    item_path: String,
    item_name: String,
    variant_name: String,
    location: String,
    kind: String,
    total_time: f64,
    user_time: f64,
    kernel_time: f64,
    cpu_usage: f64,
    memory_usage: f64,
    passed: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct AnyLine {
    r#type: String,
    format: Option<u32>,
}

/// Returns the line of a record, without its end.
pub(super) fn line(record: Record) -> Result<String, serde_json::Error> {
    match record {
        Record::Context(context) => serde_json::to_string(&ContextLine {
            r#type: "context".to_owned(),
            hash: context.hash,
            cpu_count: context.cpu_count,
            cpu_frequency: context.cpu_frequency,
            cpu_type: context.cpu_type,
            cpu_vendor: context.cpu_vendor,
            ram_total: context.ram_total,
            machine_node: context.machine_node,
            machine_type: context.machine_type,
            machine_arch: context.machine_arch,
            system_info: context.system_info,
            python_info: context.python_info,
        }),
        Record::Session(session) => serde_json::to_string(&SessionLine {
            r#type: "session".to_owned(),
            hash: session.hash,
            run_date: session.run_date.to_string(),
            scm_ref: session.scm_ref,
            project: session.project,
            tags: session.tags.into_iter().map(|(name, value)| TagMember { name, value }).collect(),
        }),
        Record::Metric(metric) => serde_json::to_string(&MetricLine {
            r#type: "metric".to_owned(),
            session_hash: metric.session_hash,
            context_hash: metric.context_hash,
            started_at: metric.started_at.to_string(),
            component_name: metric.component,
            item_path: metric.item_path,
            item_name: metric.item,
            variant_name: metric.variant,
            location: metric.location,
            kind: metric.kind,
            total_time: metric.total_time,
            user_time: metric.user_time,
            kernel_time: metric.kernel_time,
            cpu_usage: metric.cpu_usage,
            memory_usage: metric.memory_usage,
            passed: metric.passed,
        }),
    }
}

/// Reads a line; `None` if it holds no record.
///
/// # Errors
/// What is wrong with it.
pub(super) fn record(line: &str) -> Result<Option<Record>, String> {
    let wrong = |error: serde_json::Error| format!("it is no line of an export: {error}");
    if line.starts_with(METRIC) {
        return metric(serde_json::from_str(line).map_err(wrong)?).map(|metric| Some(Record::Metric(metric)));
    }
    if line.trim().is_empty() {
        return Ok(None);
    }
    let AnyLine { r#type, format } = serde_json::from_str(line).map_err(wrong)?;
    match (&*r#type, format) {
        ("metrograph", Some(1)) => Ok(None),
        ("metrograph", _) => Err("it was written by a newer metrograph: read it with that one".to_owned()),
        ("metric", _) => metric(serde_json::from_str(line).map_err(wrong)?).map(|metric| Some(Record::Metric(metric))),
        ("context", _) => Ok(Some(Record::Context(context(serde_json::from_str(line).map_err(wrong)?)))),
        ("session", _) => {
            session(serde_json::from_str(line).map_err(wrong)?).map(|session| Some(Record::Session(session)))
        }
        _ => Err("its type is none of metrograph, context, session and metric".to_owned()),
    }
}

fn time(name: &str, text: &str) -> Result<LocalDateTime, String> {
    LocalDateTime::parse(text).map_err(|_| format!("{name}: it is no time in ISO 8601"))
}

fn metric(line: MetricLine) -> Result<NewMetric, String> {
    Ok(NewMetric {
        started_at: time("startedAt", &line.started_at)?,
        session_hash: line.session_hash,
        context_hash: line.context_hash,
        component: line.component_name,
        item_path: line.item_path,
        item: line.item_name,
        variant: line.variant_name,
        location: line.location,
        kind: line.kind,
        total_time: line.total_time,
        user_time: line.user_time,
        kernel_time: line.kernel_time,
        cpu_usage: line.cpu_usage,
        memory_usage: line.memory_usage,
        passed: line.passed,
    })
}

fn session(line: SessionLine) -> Result<NewSession, String> {
    Ok(NewSession {
        run_date: time("runDate", &line.run_date)?,
        hash: line.hash,
        scm_ref: line.scm_ref,
        tags: line.tags.into_iter().map(|TagMember { name, value }| (name, value)).collect(),
        project: line.project,
        defaults: Some(Defaults::default()),
    })
}

fn context(line: ContextLine) -> NewContext {
    NewContext {
        hash: line.hash,
        cpu_count: line.cpu_count,
        cpu_frequency: line.cpu_frequency,
        cpu_type: line.cpu_type,
        cpu_vendor: line.cpu_vendor,
        ram_total: line.ram_total,
        machine_node: line.machine_node,
        machine_type: line.machine_type,
        machine_arch: line.machine_arch,
        system_info: line.system_info,
        python_info: line.python_info,
    }
}
