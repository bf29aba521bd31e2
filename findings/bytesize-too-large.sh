#!/usr/bin/env bash
# bytesize 2.7.0 (crates.io): a size that is too large for its type is read as the largest size, without an error.
#
# Behaviour: `ByteSize::from_str` saturates: a number with a unit that comes to 2^64 bytes or more is `Ok` with u64::MAX.
# Seen: `15EiB` -> 17293822569102704640; `16EiB`, `99999999EiB`, `20000000.5TB` and `18446744073709551616B` -> 18446744073709551615.
# The last of these is refused without its `B`.
#
# Why a good guess is wrong: `from_str` returns a `Result`, and Rust's own numbers give an error for what doesn't fit; a number
# without a unit is read in that way here too. parse-size 1.1.0 (crates.io) refuses all four.
#
# For a project: a limit with a digit or a unit too many becomes the largest one in silence, which is none. Compare what was read
# with the largest value that makes sense, and refuse u64::MAX at least.
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
bytesize = "=2.7.0"
parse-size = "=1.1.0"
TOML
cat >src/main.rs <<'RUST'
use bytesize::ByteSize;

const EXBIBYTE: u64 = 1 << 60;
/// What is read, by bytesize and by parse-size.
const SIZES: &[(&str, Option<u64>, Option<u64>)] = &[
    ("15EiB", Some(15 * EXBIBYTE), Some(15 * EXBIBYTE)),
    ("16EiB", Some(u64::MAX), None),
    ("99999999EiB", Some(u64::MAX), None),
    ("20000000.5TB", Some(u64::MAX), None),
    ("18446744073709551615", Some(u64::MAX), Some(u64::MAX)),
    ("18446744073709551616B", Some(u64::MAX), None),
    ("18446744073709551616", None, None),
    ("16XiB", None, None),
];

fn shown(size: Option<u64>) -> String {
    size.map_or_else(|| "refused".to_owned(), |size| size.to_string())
}

fn main() {
    let mut changed = false;
    for (text, expected, other_expected) in SIZES {
        let seen = text.parse::<ByteSize>().ok().map(|size| size.as_u64());
        let other = parse_size::parse_size(text).ok();
        println!("{text} -> {} (parse-size: {})", shown(seen), shown(other));
        changed |= (seen, other) != (*expected, *other_expected);
    }
    if changed {
        eprintln!("CHANGED: sizes that are too large are no longer read as described");
        std::process::exit(1);
    }
    println!("As described: with a unit, what is too large for 64 bits is read as the largest size.");
}
RUST
CARGO_TARGET_DIR="$work/target" cargo run --quiet
