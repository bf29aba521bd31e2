//! The selections of an operation, fragments included.

use apollo_compiler::{
    ExecutableDocument,
    executable::{Selection, SelectionSet},
};

/// Visits every selection of an operation, those of a fragment once.
pub(crate) fn visit_selections<'d>(
    document: &'d ExecutableDocument,
    set: &'d SelectionSet,
    visited: &mut Vec<&'d str>,
    visit: &mut impl FnMut(&'d Selection),
) {
    for selection in &set.selections {
        visit(selection);
        let inner = match selection {
            Selection::Field(field) => field.selection_set.as_ref(),
            Selection::InlineFragment(part) => Some(&part.selection_set),
            Selection::FragmentSpread(part) if visited.contains(&part.fragment_name.as_str()) => None,
            Selection::FragmentSpread(part) => {
                visited.push(&part.fragment_name);
                document.fragments.get(&part.fragment_name).map(|fragment| &fragment.selection_set)
            }
        };
        if let Some(inner) = inner {
            visit_selections(document, inner, visited, visit);
        }
    }
}
