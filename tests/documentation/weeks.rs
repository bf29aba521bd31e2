//! The history that docs/questions.md speaks of: twelve nights of a pipeline on two machines. From the seventh night on, tests run with another
//! numpy: `test_solve` takes longer, and `test_load` less memory.

use serde_json::{Value, json};

/// The nights.
const NIGHTS: u32 = 12;
/// The first night with the other numpy.
const CHANGE: u32 = 7;
/// Hash, machine, processor and Python of the contexts, and how much longer tests take there.
const MACHINES: [(&str, &str, &str, &str, f64); 2] = [
    ("6b1f0c33a1c5d20b9c61d4d6a7a9a40e", "ci-01.example.org", "AMD EPYC 7B13", "3.12.4 (main) [GCC 12.2.0]", 1.0),
    (
        "f0b7e2a95a0e4a0d9f2ce1d1b5c7f1d3",
        "ci-02.example.org",
        "Intel(R) Xeon(R) Gold 6242",
        "3.13.1 (main) [GCC 12.2.0]",
        1.4,
    ),
];
/// Component, name, seconds and megabytes of the tests, and the nights on which they run.
const TESTS: [(&str, &str, f64, f64, std::ops::RangeInclusive<u32>); 5] = [
    ("solver", "test_solve", 2.0, 64.0, 1..=NIGHTS),
    ("solver", "test_residual", 0.5, 8.0, 1..=NIGHTS),
    ("io", "test_load", 1.0, 180.0, 1..=NIGHTS),
    ("io", "test_legacy", 0.25, 4.0, 1..=NIGHTS - 1),
    ("io", "test_stream", 0.75, 32.0, NIGHTS..=NIGHTS),
];

/// Returns what differs from night to night, in hundredths.
fn noise(night: u32, test: usize) -> f64 {
    f64::from((night * 7 + u32::try_from(test).unwrap() * 3) % 5) / 100.0
}

fn revision(night: u32) -> String {
    format!("{:08x}", night.wrapping_mul(0x9e37_79b9)).repeat(5)
}

fn rounded(number: f64) -> f64 {
    (number * 10_000.0).round() / 10_000.0
}

/// Returns the history.
pub fn history() -> Value {
    let contexts = MACHINES.map(|(hash, node, vendor, python, _)| {
        json!({
            "hash": hash, "cpuCount": 8, "cpuFrequency": 2400.0, "cpuType": "x86_64", "cpuVendor": vendor, "ramTotal": 32_000,
            "machineNode": node, "machineType": "x86_64", "machineArch": "64bit", "systemInfo": "Linux - 6.1.0-13-amd64",
            "pythonInfo": python,
        })
    });
    let (mut sessions, mut metrics) = (Vec::new(), Vec::new());
    for night in 1..=NIGHTS {
        let is_after = night >= CHANGE;
        let day = format!("2026-02-{:02}", night + 1);
        for (machine, (context, .., pace)) in MACHINES.iter().enumerate() {
            let session = format!("{night:016x}{machine:016x}");
            sessions.push(json!({
                "hash": session, "runDate": format!("{day}T02:00:00"), "scmRef": revision(night),
                "tags": {
                    "pipeline_branch": "main", "pipeline_build_no": night.to_string(), "__ci__": "jenkinsci",
                    "numpy": if is_after { "2.1" } else { "1.26" },
                },
            }));
            for (number, (component, name, seconds, megabytes, nights)) in TESTS.iter().enumerate() {
                if !nights.contains(&night) {
                    continue;
                }
                let slower = if is_after && *name == "test_solve" { 1.25 } else { 1.0 };
                let leaner = if is_after && *name == "test_load" { 0.75 } else { 1.0 };
                let total = rounded(seconds * pace * slower * (1.0 + noise(night, number)));
                let user = rounded(total * 0.75);
                metrics.push(json!({
                    "sessionHash": session, "contextHash": context, "startedAt": format!("{day}T02:00:{:02}", 10 * machine + number),
                    "componentName": component, "itemPath": format!("tests.test_{component}"), "itemName": name, "variantName": name,
                    "location": format!("tests/test_{component}.py"), "kind": "function", "totalTime": total, "userTime": user,
                    "kernelTime": 0.01, "cpuUsage": rounded((user + 0.01) / total),
                    "memoryUsage": rounded(megabytes * leaner + noise(night, number) * 10.0),
                }));
            }
        }
    }
    json!({ "contexts": contexts, "sessions": sessions, "metrics": metrics })
}
