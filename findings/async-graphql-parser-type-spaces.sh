#!/usr/bin/env bash
# async-graphql-parser 8.0.0-rc.5: white space inside a type is a syntax error.
#
# Behaviour: a type reference is parsed as one token, so nothing may stand before `!` or inside the brackets of a list.
# Seen: `query($a: Int !) {f(a: $a)}` -> "expected default_value, variable, or directive"; `[ID! ]`, `[ ID!]` and
# `[ID !]` -> "expected type_". Line ends, comments and commas in the same places fail too, and so do types in a schema.
#
# Why a good guess is wrong: in the specification `!`, `[` and `]` are tokens of their own, and white space may stand between any
# two tokens. The same parser accepts it between all tokens of fields, arguments and list values: `[ 1 , 2 ]`.
#
# For a project: a server with async-graphql refuses documents whose generator or author breaks a long type over lines.
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
async-graphql-parser = "=8.0.0-rc.5"

# Only the result counts here: debug information costs time and space.
[profile.dev]
debug = false
TOML
cat >src/main.rs <<'RUST'
use async_graphql_parser::{parse_query, parse_schema};

const VARIABLE: &str = "expected default_value, variable, or directive";
const TYPE: &str = "expected type_";
const DOCUMENTS: &[(&str, Option<&str>)] = &[
    ("query($a: Int!) {f(a: $a)}", None),
    ("query( $a : Int! ) { f ( a : $a ) }", None),
    ("{ f(a: [ 1 , 2 ]) }", None),
    ("query($a: Int !) {f(a: $a)}", Some(VARIABLE)),
    ("query($a: Int\n!) {f(a: $a)}", Some(VARIABLE)),
    ("query($a: Int,!) {f(a: $a)}", Some(VARIABLE)),
    ("query($a: Int#\n!) {f(a: $a)}", Some(VARIABLE)),
    ("query($a: [ID!]) {f(a: $a)}", None),
    ("query($a: [ID! ]) {f(a: $a)}", Some(TYPE)),
    ("query($a: [ ID!]) {f(a: $a)}", Some(TYPE)),
    ("query($a: [ID !]) {f(a: $a)}", Some(TYPE)),
    ("query($a: [ID!] !) {f(a: $a)}", Some(VARIABLE)),
];

fn main() {
    let mut changed = false;
    for (document, expected) in DOCUMENTS {
        let seen = parse_query(document).err().map(|error| error.to_string());
        let line = seen.as_deref().map(|text| text.lines().last().unwrap_or(text).trim_start_matches([' ', '=']));
        println!("{document:?} -> {}", line.unwrap_or("parsed"));
        changed |= line != *expected;
    }
    for (schema, expected) in [("type Query { f: [ID!]! }", true), ("type Query { f: [ID ] }", false)] {
        let seen = parse_schema(schema).is_ok();
        println!("{schema:?} -> {}", if seen { "parsed" } else { "refused" });
        changed |= seen != expected;
    }
    if changed {
        eprintln!("CHANGED: white space inside a type is no longer treated as described");
        std::process::exit(1);
    }
    println!("As described: nothing may stand before the `!` of a type or inside its brackets.");
}
RUST
CARGO_TARGET_DIR="$work/target" cargo run --quiet
