//! Who may do what: tokens, scopes, secrets.

mod deletions;
mod scopes;
mod secrets;
mod token_database;
mod tokens;
