//! Parsers of arguments that several settings share.

use std::{
    net::{SocketAddr, ToSocketAddrs as _},
    path::PathBuf,
};

/// Parses the address to listen on.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    let mut found = text.to_socket_addrs().map_err(|error| format!("{error}; give HOST:PORT"))?;
    found.next().ok_or_else(|| "the host has no address".to_owned())
}

/// Checks that a folder exists.
pub(crate) fn folder(path: PathBuf) -> Result<PathBuf, &'static str> {
    if path.is_dir() { Ok(path) } else { Err("there is no such folder") }
}
