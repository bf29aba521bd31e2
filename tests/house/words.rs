//! The words of the code: identifiers use standard terms, and a search for a standard term finds the code.

use crate::{
    house::house,
    support::sources::{Source, sources},
};

/// Words that have a standard term: see `docs/glossary.md`.
const REPLACED: [&str; 8] = ["told", "known", "served", "beside", "behind", "room", "fence", "turns"];

/// A search that finds more files finds none.
const MAX_HITS: usize = 15;

/// Splits an identifier, in any case, into its words in lower case.
fn words(identifier: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for letter in identifier.chars() {
        if letter == '_' || (letter.is_uppercase() && was_lower) {
            words.push(String::new());
        }
        was_lower = !letter.is_uppercase() && letter != '_';
        if letter != '_' {
            words.last_mut().unwrap().extend(letter.to_lowercase());
        }
    }
    words
}

#[test]
fn identifiers_use_standard_terms() {
    assert_eq!(words("KnownCounts_of"), ["known", "counts", "of"]);
    assert_eq!(words("deny_unknown_fields"), ["deny", "unknown", "fields"]);
    let mut found = Vec::new();
    for source in house() {
        for identifier in source.words().filter(|word| words(word).iter().any(|word| REPLACED.contains(&word.as_str())))
        {
            found.push(format!("{}: {identifier}", source.path));
        }
    }
    found.dedup();
    assert!(found.is_empty(), "{found:#?}");
}

/// One search for the usual term leads to the file.
#[test]
fn standard_terms_find_their_files() {
    let sources = sources(&["src", "entity/src"], &["rs"]);
    for (term, file) in [
        ("CSRF", "src/web/guard/csrf.rs"),
        ("DNS rebinding", "src/web/guard/hosts.rs"),
        ("rate limit", "src/web/guard/rate_limit.rs"),
        ("cursor", "src/graphql/lists/connection.rs"),
        ("keyset pagination", "src/graphql/lists/connection.rs"),
        ("DataLoader", "src/graphql/lists/dataloader.rs"),
        ("LISTEN/NOTIFY", "src/db/notification_listener.rs"),
        ("WebSocket", "src/web/graphql/websocket.rs"),
        ("ETag", "src/http/etag.rs"),
        ("zone map", "entity/src/history/zone.rs"),
        ("top-k", "entity/src/history/selection.rs"),
    ] {
        let contains = |source: &&Source| source.text.contains(term);
        let found: Vec<_> = sources.iter().filter(contains).map(|source| source.path.as_str()).collect();
        assert!(
            found.contains(&file) && found.len() <= MAX_HITS,
            "{term}: {file} is to be among a few, not {found:#?}"
        );
    }
}
