//! The sessions and contexts of random histories, and what a naive model says of their runs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::support::TestApp;

/// Hash, revision, pipeline and build, which counts only with a pipeline.
pub type Session = (&'static str, Option<&'static str>, Option<&'static str>, &'static str);
/// The first and the last but one are of one build, and the fourth but last and the last are alike.
pub const SESSIONS: &[Session] = &[
    ("s0", Some("aaa"), Some("main"), "1"),
    ("s1", Some("bbb"), Some("main"), "2"),
    ("s2", None, Some("next"), "1"),
    ("s3", Some("aaa"), Some("main"), ""),
    ("s4", None, None, "1"),
    ("s5", Some("bbb"), Some("main"), "1"),
    ("s6", None, None, "1"),
];
pub const CONTEXTS: &[&str] = &["c0", "c1", "c2"];

/// Returns the name of the project of a session.
pub fn project(session: &Session) -> &'static str {
    if session.0 == "s2" { "p" } else { "" }
}

/// Returns the name of the branch of a session.
pub fn branch(session: &Session) -> Option<&'static str> {
    match session.0 {
        "s0" | "s1" => Some("main"),
        "s2" | "s5" => Some("dev"),
        "s4" | "s6" => Some("topic"),
        _ => None,
    }
}

/// Returns the name of the build of a session, which may be empty.
pub fn number(session: &Session) -> Option<&'static str> {
    session.2.and(Some(session.3))
}

/// Returns the tags of a session.
pub fn tags(session: &Session) -> Value {
    let (_, _, pipeline, build) = session;
    let project = Some(project(session)).filter(|name| !name.is_empty());
    json!({ "pipeline_branch": pipeline, "pipeline_build_no": build, "project": project, "branch": branch(session) })
}

/// Returns the machine of a context.
pub fn machine(context: &str) -> &'static str {
    if context == "c2" { "node-1" } else { "node-0" }
}

const RUNS: &str = "{ runs(first: 100, orderBy: {by: FIRST_SEEN}) { nodes { sessions { nodes { hash } } revision machines tests metricCount
    pipeline { name } build { name } branch { name } project { name } machineClasses { totalCount } } } }";

/// Asserts that the runs, as they are answered, are those of these announced sessions, which are in order of announcement.
pub async fn check_runs(app: &TestApp, sessions: &[Session], contexts: &[&str], metrics: &[Value]) {
    let found = app.graphql(RUNS).await;
    let (mut together, mut alone) = (BTreeMap::<_, BTreeSet<usize>>::new(), BTreeSet::new());
    let mut seen = Vec::new();
    for (place, run) in found["runs"]["nodes"].as_array().unwrap().iter().enumerate() {
        let hashes: Vec<&str> =
            run["sessions"]["nodes"].as_array().unwrap().iter().map(|node| node["hash"].as_str().unwrap()).collect();
        seen.extend(hashes.clone());
        let members: Vec<&Session> = sessions.iter().filter(|session| hashes.contains(&session.0)).collect();
        assert_eq!(members.iter().map(|session| session.0).collect::<Vec<_>>(), hashes, "{run}");
        for session in &members {
            match number(session).filter(|number| !number.is_empty()) {
                Some(number) => _ = together.entry((project(session), session.2, number)).or_default().insert(place),
                None => _ = alone.insert((place, session.1, tags(session).to_string())),
            }
        }
        let measured: Vec<&Value> =
            metrics.iter().filter(|metric| hashes.iter().any(|hash| metric["sessionHash"] == *hash)).collect();
        let key = |metric: &&Value| {
            ["componentName", "itemPath", "itemName", "variantName", "location", "kind"]
                .map(|name| metric[name].to_string())
        };
        let machines = measured.iter().map(|metric| metric["contextHash"].as_str().unwrap());
        let machines: BTreeSet<&str> =
            machines.filter(|context| contexts.contains(context)).map(|context| machine(context)).collect();
        let named = |name: Option<&str>| name.map(|name| json!({ "name": name }));
        let expected = json!({
            "sessions": run["sessions"],
            "revision": members.iter().find_map(|session| session.1),
            "machines": machines,
            "tests": measured.iter().map(key).collect::<BTreeSet<_>>().len(),
            "metricCount": measured.len(),
            "pipeline": named(members[0].2),
            "build": named(number(members[0]).filter(|number| !number.is_empty())),
            "branch": named(members.iter().find_map(|session| branch(session))),
            "project": { "name": project(members[0]) },
            "machineClasses": { "totalCount": usize::from(!machines.is_empty()) },
        });
        assert_eq!(*run, expected);
    }
    assert!(together.values().all(|runs| runs.len() == 1), "a build is one run: {found}");
    let places: BTreeSet<usize> = alone.iter().map(|(place, ..)| *place).collect();
    assert_eq!(places.len(), alone.len(), "sessions of an inferred run are alike: {found}");
    let mut all: Vec<&str> = sessions.iter().map(|session| session.0).collect();
    all.sort_unstable();
    seen.sort_unstable();
    assert_eq!(seen, all);
}
