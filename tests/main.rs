//! Every test of behaviour, through the public surfaces: one module per surface, each behaviour on both engines.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod support;

mod access;
mod cli;
mod documentation;
mod graphql;
mod house;
mod live;
mod rest;
mod store;
mod transfer;
mod web;
