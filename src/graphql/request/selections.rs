//! The selections of an operation, fragments included.

use apollo_compiler::{
    ExecutableDocument,
    executable::{Selection, SelectionSet},
};

/// Looks at each selection of an operation, those of a fragment once.
pub(crate) fn each_selection<'d>(
    document: &'d ExecutableDocument,
    set: &'d SelectionSet,
    spread: &mut Vec<&'d str>,
    look: &mut impl FnMut(&'d Selection),
) {
    for selection in &set.selections {
        look(selection);
        let inner = match selection {
            Selection::Field(field) => field.selection_set.as_ref(),
            Selection::InlineFragment(part) => Some(&part.selection_set),
            Selection::FragmentSpread(part) if spread.contains(&part.fragment_name.as_str()) => None,
            Selection::FragmentSpread(part) => {
                spread.push(&part.fragment_name);
                document.fragments.get(&part.fragment_name).map(|fragment| &fragment.selection_set)
            }
        };
        if let Some(inner) = inner {
            each_selection(document, inner, spread, look);
        }
    }
}
