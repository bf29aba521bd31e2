//! Floors, circles and upward arrows, file by file (an architecture test: layers, dependency cycles, imports against the layers).
//!
//! `cargo test --test metrograph -- --nocapture the_house_is_printed` prints them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use crate::house::{
    ARROWS,
    graph::{self, Graph},
    house,
    layers::layers,
    module,
};

/// Which modules inside a folder import which, from the top down: an arrow leads to a later line. A folder that has a line here has all
/// of its arrows here. A module is a folder or a file; the folder's own file (`mod.rs`, `lib.rs`) counts as `mod`.
const INNER_ARROWS: &[(&str, Arrows)] = &[
    (
        "src/graphql",
        &[
            (
                "mod",
                &[
                    "error",
                    "filter_text",
                    "graph",
                    "json",
                    "limits",
                    "lists",
                    "near_names",
                    "request",
                    "scalars",
                    "schema",
                    "stock",
                ],
            ),
            (
                "graph",
                &[
                    "error",
                    "fairness",
                    "lists",
                    "request",
                    "response_budget",
                    "response_options",
                    "schema",
                    "state",
                    "stock",
                ],
            ),
            ("stock", &["fairness", "lists", "response_budget", "schema"]),
            ("filter_text", &["lists", "request", "schema"]),
            (
                "schema",
                &["directive", "error", "fairness", "limits", "lists", "live", "response_budget", "scalars", "state"],
            ),
            ("live", &["fairness", "lists", "state"]),
            ("request", &["error", "json", "limits", "near_names", "scalars"]),
            (
                "lists",
                &[
                    "directive",
                    "error",
                    "fairness",
                    "limits",
                    "near_names",
                    "response_budget",
                    "response_options",
                    "scalars",
                    "state",
                ],
            ),
            ("state", &[]),
            ("response_budget", &["scalars"]),
            ("scalars", &["error", "json", "limits", "response_options"]),
            ("response_options", &[]),
            ("json", &["limits"]),
            ("limits", &[]),
            ("fairness", &[]),
            ("error", &[]),
            ("directive", &[]),
            ("near_names", &[]),
        ],
    ),
    (
        "src/web",
        &[
            (
                "mod",
                &[
                    "fallback", "figures", "graphql", "guard", "health", "limits", "observer", "pages", "server",
                    "state",
                ],
            ),
            ("server", &["graphql", "guard", "health", "limits", "observer"]),
            ("health", &["limits"]),
            ("graphql", &["guard", "limits", "observer", "pages", "state"]),
            ("state", &["guard"]),
            ("pages", &[]),
            ("observer", &["figures", "request_id"]),
            ("request_id", &[]),
            ("figures", &["guard", "limits"]),
            ("guard", &["limits"]),
            ("limits", &[]),
            ("fallback", &[]),
        ],
    ),
    (
        "entity/src",
        &[
            ("run", &["digest", "driver", "filter", "table"]),
            ("query", &["column", "dialect", "driver", "filter", "history", "list", "resource", "table"]),
            ("mod", &[]),
            ("listing", &["column", "digest", "driver", "filter", "table"]),
            ("cache", &["announced", "digest", "driver", "filter", "list"]),
            ("edges", &["column", "list", "table"]),
            ("announced", &["column", "digest", "driver", "filter", "list", "table"]),
            ("history", &["dialect", "driver", "filter", "list", "resource", "table"]),
            ("table", &["column", "dialect", "driver", "filter", "list", "resource", "time"]),
            ("time", &[]),
            ("resource", &[]),
            ("list", &["column", "dialect", "driver", "filter"]),
            ("filter", &["column", "dialect", "digest"]),
            ("driver", &["dialect"]),
            ("dialect", &[]),
            ("column", &["digest"]),
            ("digest", &[]),
        ],
    ),
];

/// A line a module: its name, and what it imports.
type Arrows = &'static [(&'static str, &'static [&'static str])];

/// The folders whose modules are printed.
const FOLDERS: &[&str] = &["src/graphql", "src/graphql/schema", "src/web", "entity/src"];

fn whole() -> Graph {
    graph::read(&house())
}

/// The files of one module or crate.
fn files_of(graph: &Graph, name: &str) -> Vec<usize> {
    (0..graph.files.len()).filter(|file| module(&graph.files[*file]) == name).collect()
}

/// The module inside `folder` that a file belongs to.
fn module_in<'a>(folder: &str, path: &'a str) -> Option<&'a str> {
    let inside = path.strip_prefix(folder)?.strip_prefix('/')?;
    let module = inside.split('/').next().unwrap().trim_end_matches(".rs");
    Some(if module == "lib" { "mod" } else { module })
}

/// The arrows between the modules inside a folder.
fn inner_arrows(graph: &Graph, folder: &str) -> BTreeMap<String, BTreeSet<String>> {
    let module = |file: usize| module_in(folder, &graph.files[file]);
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in &graph.files {
        found.extend(module_in(folder, file).map(|name| (name.to_owned(), BTreeSet::new())));
    }
    for (from, to) in &graph.arrows {
        if let (Some(from), Some(to)) = (module(*from), module(*to))
            && from != to
        {
            found.entry(from.to_owned()).or_default().insert(to.to_owned());
        }
    }
    found
}

/// The modules inside a folder from the top down, each with what it imports.
fn from_the_top(arrows: &BTreeMap<String, BTreeSet<String>>) -> Vec<(&str, Vec<&str>)> {
    let names: Vec<&str> = arrows.keys().map(String::as_str).collect();
    let number = |name: &str| names.iter().position(|other| *other == name).unwrap();
    let numbered = arrows.iter().flat_map(|(from, to)| to.iter().map(|to| (number(from), number(to)))).collect();
    let order = layers(&(0..names.len()).collect::<Vec<_>>(), &numbered).order;
    let line = |at: &usize| (names[*at], arrows[names[*at]].iter().map(String::as_str).collect());
    order.iter().rev().map(line).collect()
}

/// What a part of the graph looks like: its floors, circles and upward arrows.
fn picture(graph: &Graph, name: &str, files: &[usize]) -> String {
    let found = layers(files, &graph.arrows);
    let arrows = graph.arrows.iter().filter(|(from, to)| files.contains(from) && files.contains(to)).count();
    let (floors, circles, upward) = (found.floors, found.circles.len(), found.upward.len());
    let files = files.len();
    format!("{name}: {files} files, {arrows} arrows, {floors} floors, {circles} circles, {upward} arrows up\n")
}

/// What leads up inside a part of the graph, a line an arrow.
fn upward(graph: &Graph, files: &[usize]) -> String {
    let line = |(from, to): &(usize, usize)| format!("    {} -> {} leads up\n", graph.files[*from], graph.files[*to]);
    layers(files, &graph.arrows).upward.iter().map(line).collect()
}

/// The circles of all files, by their paths.
fn circles(graph: &Graph) -> Vec<Vec<&str>> {
    let all: Vec<usize> = (0..graph.files.len()).collect();
    let paths = |circle: Vec<usize>| circle.into_iter().map(|file| graph.files[file].as_str()).collect();
    let mut circles: Vec<Vec<&str>> = layers(&all, &graph.arrows).circles.into_iter().map(paths).collect();
    circles.sort_unstable();
    circles
}

/// Shown with `--nocapture`.
#[test]
fn the_house_is_printed() {
    let graph = whole();
    let all: Vec<usize> = (0..graph.files.len()).collect();
    let mut text = picture(&graph, "everything", &all);
    for (name, _) in ARROWS {
        let files = files_of(&graph, name);
        text += &picture(&graph, name, &files);
        text += &upward(&graph, &files);
    }
    for circle in circles(&graph) {
        writeln!(text, "circle of {}: {}", circle.len(), circle.join(" ")).unwrap();
    }
    for folder in FOLDERS {
        writeln!(text, "modules inside {folder}, from the top down:").unwrap();
        for (module, imports) in from_the_top(&inner_arrows(&graph, folder)) {
            writeln!(text, "    {module}: {}", imports.join(" ")).unwrap();
        }
    }
    println!("{text}");
}

#[test]
fn there_is_no_circle_and_no_arrow_leads_up() {
    let graph = whole();
    let all: Vec<usize> = (0..graph.files.len()).collect();
    let (circles, upward) = (circles(&graph), upward(&graph, &all));
    assert!(circles.is_empty() && upward.is_empty(), "circles: {circles:#?}\n{upward}");
}

#[test]
fn arrows_between_the_modules_of_a_folder_are_all_written_down() {
    let graph = whole();
    for (folder, table) in INNER_ARROWS {
        let arrows = inner_arrows(&graph, folder);
        let found = from_the_top(&arrows);
        let lines: String = found.iter().map(|(from, to)| format!("    ({from:?}, &{to:?}),\n")).collect();
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let written: BTreeMap<_, _> = table.iter().map(|(from, to)| ((*from).to_owned(), owned(to))).collect();
        assert!(written == arrows, "the arrows inside {folder} are now\n{lines}");
        for (line, (from, to)) in table.iter().enumerate() {
            let is_later = |to: &&&str| table[line + 1..].iter().any(|(module, _)| module == *to);
            let upward: Vec<_> = to.iter().filter(|to| !is_later(to)).collect();
            assert!(upward.is_empty(), "{folder}: {from} imports {upward:?}, which is no later line");
        }
    }
}
