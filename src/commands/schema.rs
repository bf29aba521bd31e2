//! `metrograph schema`: prints the GraphQL schema.

use crate::{commands::output::print, graphql};

pub(crate) fn run() -> Result<(), String> {
    print(&graphql::sdl())
}
