#!/usr/bin/env bash
# pco 1.1.0: in the wrapped format, a page of equal values has no bytes at all, and is read from an empty slice.
#
# Behaviour: where a chunk holds one value over and over, all of it is in the chunk's metadata. `write_page` writes nothing, and
# `page_decompressor` returns every value of the page from zero bytes, reporting the page as finished.
# Seen: "constant: 512 values in pages of 0 and 0 bytes, read back"; for values that change, "changing: 512 values in pages of 320
# and 320 bytes, read back".
#
# Why a good guess is wrong: the library refuses pages without values ("cannot write data page of 0 numbers"), so a container
# that keeps lengths of pages looks free to use length 0 for "no such page". Columns of one value are common (a flag, a
# parent's key), so such a container loses them, while every test with changing values passes.
#
# For a project: mark missing pages by something else than their length.
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
pco = "=1.1.0"

# Only the result counts here: debug information costs time and space.
[profile.dev]
debug = false
TOML
cat >src/main.rs <<'RUST'
use pco::{
    wrapped::{FileCompressor, FileDecompressor},
    ChunkConfig, PagingSpec,
};

const PAGE: usize = 256;

fn describe(values: &[i64]) -> String {
    let config = ChunkConfig::default().with_paging_spec(PagingSpec::Exact(vec![PAGE; values.len() / PAGE]));
    let file = FileCompressor::default();
    let mut head = Vec::new();
    file.write_header(&mut head).unwrap();
    let mut chunk = file.chunk_compressor(values, &config).unwrap();
    chunk.write_meta(&mut head).unwrap();
    let page = |page| {
        let mut bytes = Vec::new();
        chunk.write_page(page, &mut bytes).unwrap();
        bytes
    };
    let pages: Vec<Vec<u8>> = (0..values.len() / PAGE).map(page).collect();
    let (file, rest) = FileDecompressor::new(head.as_slice()).unwrap();
    let (mut chunk, _) = file.chunk_decompressor::<i64, _>(rest).unwrap();
    let mut read = Vec::new();
    for bytes in &pages {
        let mut values = vec![0; PAGE];
        let progress = chunk.page_decompressor(bytes.as_slice(), PAGE).unwrap().read(&mut values).unwrap();
        assert!(progress.finished && progress.n_processed == PAGE);
        read.extend(values);
    }
    let lengths: Vec<String> = pages.iter().map(|bytes| bytes.len().to_string()).collect();
    let outcome = if read == values { "read back" } else { "read wrong" };
    format!("{} values in pages of {} bytes, {outcome}", values.len(), lengths.join(" and "))
}

fn main() {
    let constant = describe(&[7; 2 * PAGE]);
    let changing = describe(&(0..2 * PAGE as i64).map(|n| n * n % 1009).collect::<Vec<_>>());
    println!("constant: {constant}\nchanging: {changing}");
    if constant != "512 values in pages of 0 and 0 bytes, read back"
        || changing != "512 values in pages of 320 and 320 bytes, read back"
    {
        eprintln!("CHANGED: pages of equal values are no longer written as described");
        std::process::exit(1);
    }
    println!("As described: a page of equal values has no bytes.");
}
RUST
CARGO_TARGET_DIR="$work/target" cargo run --quiet
