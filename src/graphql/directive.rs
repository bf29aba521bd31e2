//! `@access`: which scope a field takes, for all to read in the schema.

use async_graphql::TypeDirective;

use crate::config::Scope;

/// Requires a token with this scope, or with ADMIN, unless `--access` permits anonymous access.
#[TypeDirective(location = "Object", location = "FieldDefinition")]
pub fn access(#[graphql(desc = "The scope; what a field takes adds to what its type takes.")] scope: Scope) {}
