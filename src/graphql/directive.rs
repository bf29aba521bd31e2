//! `@access`: the scope that a field or type requires, as part of the schema.

use async_graphql::TypeDirective;

use crate::config::Scope;

/// Requires a token with this scope, or with ADMIN, unless `--access` permits anonymous access.
#[TypeDirective(location = "Object", location = "FieldDefinition")]
pub fn access(#[graphql(desc = "The scope; what a field takes adds to what its type takes.")] scope: Scope) {}
