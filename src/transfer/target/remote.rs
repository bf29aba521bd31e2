//! A running server, through its GraphQL API.

use serde_json::{Value, json};

use crate::{
    error::{Code, Error},
    ingest::{Defaults, Missing, NewContext, NewMetric, NewSession, NumberedMetric},
    transfer::{client::Client, record::Refusal, target::Target},
};

/// Metrics of a request: half a megabyte or so.
const METRICS: usize = 1_000;
const ANNOUNCE_CONTEXT: &str = "mutation pushContext($input: AnnounceContextInput!) { announceContext(input: $input) { userErrors { code message } } }";
const ANNOUNCE_SESSION: &str = "mutation pushSession($input: AnnounceSessionInput!) { announceSession(input: $input) { userErrors { code message } } }";
const RECORD: &str = "mutation pushMetrics($input: RecordMissingMetricsInput!) { recordMissingMetrics(input: $input) \
    { storedCount presentCount userErrors { code message } } }";

/// The names of tags that say what a session was part of. A session has all of its own, or none.
const PIPELINE: [&str; 3] = ["pipeline_branch", "pipeline_build_no", "__ci__"];

/// A server.
pub(crate) struct Remote {
    /// Its client.
    pub client: Client,
    /// What sessions get besides.
    pub defaults: Defaults,
    /// The project of sessions that have none.
    pub project: Option<String>,
}

impl Remote {
    /// Runs a mutation, and returns what it answers, or why it is refused.
    async fn mutate(&mut self, document: &str, field: &str, input: Value) -> Result<Result<Value, String>, Error> {
        let operation = json!({ "query": document, "variables": { "input": input } });
        let mut data = self.client.run(&operation).await?;
        let payload = data[field].take();
        let refusal = payload["userErrors"].get(0).and_then(|error| error["message"].as_str()).map(str::to_owned);
        Ok(refusal.map_or(Ok(payload), Err))
    }
}

impl Target for Remote {
    async fn contexts(&mut self, contexts: Vec<NewContext>) -> Result<(), Error> {
        for context in contexts {
            let input = json!({
                "hash": context.hash, "cpuCount": context.cpu_count, "cpuFrequency": context.cpu_frequency,
                "cpuType": context.cpu_type, "cpuVendor": context.cpu_vendor, "ramTotal": context.ram_total,
                "machineNode": context.machine_node, "machineType": context.machine_type,
                "machineArch": context.machine_arch, "systemInfo": context.system_info, "pythonInfo": context.python_info,
            });
            self.mutate(ANNOUNCE_CONTEXT, "announceContext", input).await?.map_err(|reason| {
                Error::new(Code::BadUserInput, format!("execution context {}: {reason}", context.hash))
            })?;
        }
        Ok(())
    }

    async fn sessions(&mut self, sessions: Vec<NewSession>) -> Result<Vec<Refusal>, Error> {
        let mut refusals = Vec::new();
        for NewSession { hash, run_date, scm_ref, tags, project, defaults: _ } in sessions {
            let has = |name: &str| tags.iter().any(|(own, _)| own == name);
            let has_pipeline = PIPELINE.into_iter().any(has);
            let is_taken = |name: &str| {
                has(name) || has_pipeline && PIPELINE.contains(&name) || name == "branch" && has("git_branch")
            };
            let defaults: Vec<Value> =
                self.defaults.tags.iter().filter(|(name, _)| !is_taken(name)).map(tag_of).collect();
            let input = json!({
                "hash": hash, "runDate": run_date.to_string(), "scmRef": scm_ref,
                "tags": tags.iter().map(tag_of).collect::<Vec<_>>(),
                "project": project.or_else(|| self.project.clone()),
                "defaults": { "scmRef": self.defaults.scm_ref, "tags": defaults },
            });
            if let Err(reason) = self.mutate(ANNOUNCE_SESSION, "announceSession", input).await? {
                refusals.push(Refusal { place: format!("session {hash}"), reason });
            }
        }
        Ok(refusals)
    }

    async fn metrics(&mut self, metrics: Vec<NumberedMetric>) -> Result<Missing, Error> {
        let mut missing = Missing::default();
        for part in metrics.chunks(METRICS) {
            let list: Vec<Value> = part.iter().map(|one| metric_of(&one.metric)).collect();
            let is_plain = part.iter().all(|one| one.ordinal == Some(1));
            let ordinals = (!is_plain).then(|| part.iter().map(|one| one.ordinal.unwrap_or(1)).collect::<Vec<_>>());
            let input = json!({ "metrics": list, "ordinals": ordinals });
            let payload = self.mutate(RECORD, "recordMissingMetrics", input).await?;
            let payload = payload.map_err(|reason| Error::new(Code::BadUserInput, reason))?;
            missing.stored += payload["storedCount"].as_u64().unwrap_or_default();
            missing.present += payload["presentCount"].as_u64().unwrap_or_default();
        }
        Ok(missing)
    }
}

fn tag_of((name, value): &(String, String)) -> Value {
    json!({ "name": name, "value": value })
}

fn metric_of(metric: &NewMetric) -> Value {
    json!({
        "sessionHash": metric.session_hash, "contextHash": metric.context_hash, "startedAt": metric.started_at.to_string(),
        "componentName": metric.component, "itemPath": metric.item_path, "itemName": metric.item,
        "variantName": metric.variant, "location": metric.location, "kind": metric.kind,
        "totalTime": metric.total_time, "userTime": metric.user_time, "kernelTime": metric.kernel_time,
        "cpuUsage": metric.cpu_usage, "memoryUsage": metric.memory_usage, "passed": metric.passed,
    })
}
