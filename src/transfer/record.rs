//! Records: what sources consist of.

use std::mem;

use crate::{
    graphql::check_text,
    ingest::{MAX_METRICS, NewContext, NewMetric, NewSession, NumberedMetric},
    transfer::fingerprint::Ordinals,
};

/// A record of a source.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Record {
    /// An execution context.
    Context(NewContext),
    /// A session.
    Session(NewSession),
    /// A metric.
    Metric(NewMetric),
}

/// A row of a source that is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Where it is.
    pub place: String,
    /// Why it is left out.
    pub reason: String,
}

/// A part of a source. Its contexts and sessions come before its metrics.
#[derive(Debug, Default)]
pub(crate) struct Part {
    pub contexts: Vec<NewContext>,
    pub sessions: Vec<NewSession>,
    pub metrics: Vec<NumberedMetric>,
    pub refusals: Vec<Refusal>,
    /// How far the source has been read, in the unit of its length.
    pub position: u64,
}

/// Makes parts of the records of one source.
#[derive(Debug, Default)]
pub(super) struct Parts {
    ordinals: Ordinals,
    part: Part,
}

impl Parts {
    /// Adds a record, or why there is none.
    pub fn add(&mut self, place: impl FnOnce() -> String, record: Result<Record, String>) {
        match record.and_then(checked) {
            Ok(Record::Context(context)) => self.part.contexts.push(context),
            Ok(Record::Session(session)) => self.part.sessions.push(session),
            Ok(Record::Metric(metric)) => {
                let ordinal = self.ordinals.next(&metric);
                self.part.metrics.push(NumberedMetric { metric, ordinal: Some(ordinal) });
            }
            Err(reason) => self.part.refusals.push(Refusal { place: place(), reason }),
        }
    }

    /// Returns the part if it is full.
    pub fn full(&mut self, position: u64) -> Option<Part> {
        let Part { contexts, sessions, metrics, refusals, .. } = &self.part;
        let rows = contexts.len() + sessions.len() + metrics.len() + refusals.len();
        (rows >= MAX_METRICS).then(|| self.rest(position))
    }

    /// Returns what is left.
    pub fn rest(&mut self, position: u64) -> Part {
        Part { position, ..mem::take(&mut self.part) }
    }
}

/// Returns a record whose texts and numbers can be stored.
fn checked(record: Record) -> Result<Record, String> {
    let check = |texts: &[(&str, &str)]| {
        texts.iter().try_for_each(|(name, text)| check_text(text).map_err(|reason| format!("{name}: {reason}")))
    };
    match &record {
        Record::Context(context) => check(&[
            ("hash", &context.hash),
            ("cpuType", &context.cpu_type),
            ("cpuVendor", context.cpu_vendor.as_deref().unwrap_or_default()),
            ("machineNode", &context.machine_node),
            ("machineType", &context.machine_type),
            ("machineArch", &context.machine_arch),
            ("systemInfo", &context.system_info),
            ("pythonInfo", &context.python_info),
        ])?,
        Record::Session(session) => {
            let texts = [
                ("hash", session.hash.as_str()),
                ("scmRef", session.scm_ref.as_deref().unwrap_or_default()),
                ("project", session.project.as_deref().unwrap_or_default()),
            ];
            check(&texts)?;
            for (name, value) in &session.tags {
                check(&[("tag", name), (name, value)])?;
            }
        }
        Record::Metric(metric) => {
            check(&[
                ("sessionHash", &metric.session_hash),
                ("contextHash", &metric.context_hash),
                ("componentName", &metric.component),
                ("itemPath", &metric.item_path),
                ("itemName", &metric.item),
                ("variantName", &metric.variant),
                ("location", &metric.location),
                ("kind", &metric.kind),
            ])?;
            metric.check().map_err(|error| error.message)?;
        }
    }
    Ok(record)
}
