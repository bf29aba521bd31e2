#!/usr/bin/env bash
# apollo-parser 0.9.0-beta.2 (the parser of apollo-compiler 2.0.0-beta.2): a comma is a syntax error in two places.
#
# Behaviour: where the parser looks two tokens ahead, it skips white space and comments but not commas: between an alias and its
# colon, and after the dots of a spread or an inline fragment.
# Seen: `{k,:f}` -> "expected R_CURLY, got :"; `{...,F}` and `{...,on Query {f}}` -> "expected an Inline Fragment or a Fragment
# Spread". White space, line ends and comments in the same places parse, and so do commas in other unusual places: `{k:,f}`,
# `{f(x,:1)}`.
#
# Why a good guess is wrong: the specification (Insignificant Commas, Ignored Tokens) treats a comma like white space, which may
# stand before or after any token. graphql 17.1.0 (npm) parses all these documents, and this parser follows the rule almost
# everywhere.
#
# For a project: a gateway built on it refuses documents that other servers accept; a fuzzer's generator must know these places.
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
apollo-parser = "=0.9.0-beta.2"
TOML
cat >src/main.rs <<'RUST'
use apollo_parser::Parser;

const ALIAS: &str = "expected R_CURLY, got :";
const SPREAD: &str = "expected an Inline Fragment or a Fragment Spread";
const DOCUMENTS: &[(&str, Option<&str>)] = &[
    ("{k :f}", None),
    ("{k\n:f}", None),
    ("{k#\n:f}", None),
    ("{k:,f}", None),
    ("{f(x,:1)}", None),
    ("{k,:f}", Some(ALIAS)),
    ("{... F} fragment F on Query {f}", None),
    ("{...#\nF} fragment F on Query {f}", None),
    ("{...F,} fragment F on Query {f}", None),
    ("{...,F} fragment F on Query {f}", Some(SPREAD)),
    ("{...,on Query {f}}", Some(SPREAD)),
    ("{...,@include(if: true) {f}}", Some(SPREAD)),
];

fn main() {
    let mut changed = false;
    for (document, expected) in DOCUMENTS {
        let tree = Parser::new(document).parse();
        let seen = tree.errors().next().map(|error| error.message());
        println!("{document:?} -> {}", seen.unwrap_or("parsed"));
        changed |= seen != *expected;
    }
    if changed {
        eprintln!("CHANGED: commas are no longer treated as described");
        std::process::exit(1);
    }
    println!("As described: a comma before an alias's colon or after the dots of a spread is a syntax error.");
}
RUST
CARGO_TARGET_DIR="$work/target" cargo run --quiet
