#!/usr/bin/env bash
# apollo-compiler 2.0.0-beta.2: a subscription that selects its only root field twice is refused.
#
# Behaviour: the rule for a single root field counts selections, not response names. `subscription { tick tick }` is refused.
# Seen: "anonymous subscription can only have one root field ... There are 2 root fields: tick, tick."; the same for a repetition in
# an inline fragment or in a fragment, and for one field whose subfields are split over two selections.
#
# Why a good guess is wrong: the specification (Single Root Field) collects the fields first and requires one entry in the
# result; the entries are keyed by response name, so both selections are one entry. graphql 17.1.0 (npm) accepts these
# repetitions. In a query, apollo-compiler itself accepts the same field twice.
#
# For a project: clients that compose a subscription from fragments can get an error for a valid document. Select the root
# field once.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "probe"
version = "0.0.0"
edition = "2021"

[dependencies]
apollo-compiler = "=2.0.0-beta.2"

# Only the result counts here: debug information costs time and space.
[profile.dev]
debug = false
TOML
cat >src/main.rs <<'RUST'
use apollo_compiler::{ExecutableDocument, Schema};

const SCHEMA: &str =
    "type Tick { at: Int, by: Int } type Query { tick: Tick } type Subscription { tick: Tick, tock: Tick }";
const DOCUMENTS: &[(&str, Option<&str>)] = &[
    ("query { tick {at} tick {by} }", None),
    ("subscription { tick {at} }", None),
    ("subscription { tick {at} tock {at} }", Some("There are 2 root fields: tick, tock.")),
    ("subscription { tick {at} tick {at} }", Some("There are 2 root fields: tick, tick.")),
    ("subscription { tick {at} tick {by} }", Some("There are 2 root fields: tick, tick.")),
    ("subscription { tick {at} ... {tick {by}} }", Some("There are 2 root fields: tick, tick.")),
    (
        "subscription { tick {at} ...More } fragment More on Subscription { tick {by} }",
        Some("There are 2 root fields: tick, tick."),
    ),
];

fn main() {
    let schema = Schema::parse_and_validate(SCHEMA, "schema.graphql").expect("the schema is valid");
    let mut changed = false;
    for (document, expected) in DOCUMENTS {
        let seen = ExecutableDocument::parse_and_validate(&schema, *document, "document.graphql")
            .err()
            .map(|error| error.errors.to_string());
        let line = seen.as_deref().map(|text| text.lines().find(|line| line.contains("root fields:")).unwrap_or(text));
        println!("{document} -> {}", line.map_or("accepted", |line| line.trim_start_matches([' ', '│'])));
        changed |= match (seen, expected) {
            (None, None) => false,
            (Some(seen), Some(expected)) => !seen.contains(expected),
            _ => true,
        };
    }
    if changed {
        eprintln!("CHANGED: the root fields of a subscription are no longer counted as described");
        std::process::exit(1);
    }
    println!("As described: one root field, selected twice, counts as two.");
}
RUST
CARGO_TARGET_DIR="$work/target" cargo run --quiet
