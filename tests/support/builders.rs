//! Builders of what clients send: metrics, sessions and execution contexts with defaults, to be changed per test.

use serde_json::Value;

fn with(mut usual: Value, changes: Value) -> Value {
    let Value::Object(changes) = changes else { panic!("no object: {changes}") };
    usual.as_object_mut().unwrap().extend(changes);
    usual
}

/// Inputs of mutations.
pub mod graphql {
    use serde_json::{Value, json};

    use super::with;

    /// Builds a `MetricInput` with these members changed.
    pub fn metric(changes: Value) -> Value {
        let usual = json!({
            "sessionHash": "s1", "contextHash": "c1", "startedAt": "2026-01-05T03:00:00", "componentName": "core",
            "itemPath": "pkg.a", "itemName": "test_a", "variantName": "test_a[1]", "location": "pkg/a.py",
            "kind": "function", "totalTime": 1.0, "userTime": 0.5, "kernelTime": 0.25, "cpuUsage": 0.75, "memoryUsage": 1.5,
        });
        with(usual, changes)
    }

    /// Builds an `AnnounceSessionInput`.
    pub fn session(hash: &str, changes: Value) -> Value {
        with(json!({ "hash": hash, "runDate": "2026-01-05T03:00:00", "tags": {} }), changes)
    }

    /// Builds an `AnnounceContextInput`.
    pub fn context(hash: &str, changes: Value) -> Value {
        let usual = json!({
            "hash": hash, "cpuCount": 8, "cpuFrequency": 2400.5, "cpuType": "x86_64", "cpuVendor": "Maker 1",
            "ramTotal": 32000, "machineNode": "node", "machineType": "x86_64", "machineArch": "64bit",
            "systemInfo": "Linux 6", "pythonInfo": "3.12",
        });
        with(usual, changes)
    }
}

/// Payloads of REST v1, as pytest-monitor sends them.
pub mod rest {
    use serde_json::{Value, json};

    use super::with;

    /// Builds a metric with these members changed.
    pub fn metric(changes: Value) -> Value {
        let usual = json!({
            "session_h": "s", "context_h": "c", "item_start_time": "2026-01-05T03:00:00.125000",
            "item_path": "tests.test_a", "item": "test_a", "item_variant": "test_a[1]",
            "item_fs_loc": "tests/test_a.py", "kind": "function", "component": "core", "total_time": 0.25,
            "user_time": 0.125, "kernel_time": 0.0625, "cpu_usage": 0.75, "mem_usage": 12.5,
        });
        with(usual, changes)
    }

    /// Builds a metric of an item with a single variant.
    pub fn metric_of(item: &str) -> Value {
        metric(json!({ "item": item, "item_variant": item }))
    }

    /// Builds a session.
    pub fn session(changes: Value) -> Value {
        let usual = json!({ "session_h": "s", "run_date": "2026-01-05T03:00:00", "scm_ref": "abc", "description": {} });
        with(usual, changes)
    }

    /// Builds an execution context.
    pub fn context(changes: Value) -> Value {
        let usual = json!({
            "h": "c", "cpu_count": 4, "cpu_frequency": 2400, "cpu_type": "x86_64", "cpu_vendor": "AMD EPYC",
            "ram_total": 16384, "machine_node": "ci-1", "machine_type": "x86_64", "machine_arch": "64bit",
            "system_info": "Linux 6.1", "python_info": "3.12.1",
        });
        with(usual, changes)
    }

    /// Builds the tags that name a pipeline and a build.
    pub fn of_build(pipeline: &str, build: &str) -> Value {
        json!({ "pipeline_branch": pipeline, "pipeline_build_no": build })
    }
}
