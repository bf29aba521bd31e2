//! What the program says of itself; `benches/run.py --small` looks at what it serves. A test of the binary is also what lets
//! `cargo test` build it.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::process::Command;

#[test]
fn without_arguments_it_says_how_it_is_called() {
    let output = Command::new(env!("CARGO_BIN_EXE_yardstick")).output().unwrap();
    assert!(!output.status.success());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "yardstick: usage: yardstick DATABASE PORT\n");
}
