//! Holds runs, branches, projects and classes of machines against the sessions and contexts that they are made of.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::DatabaseConnection;

use super::counters::{all, same};

/// Run, hash, run date, revision, number of metrics, machine, pipeline, build, branch, project; in order of announcement.
type Session = (i64, String, i64, String, i64, String, String, String, String, String);
const SESSIONS: &str = "SELECT session.run_id, session.hash, session.run_date, COALESCE(session.scm_ref, ''), session.metric_count, \
    COALESCE(session.machine, ''), COALESCE(pipeline.name, ''), COALESCE(build.name, ''), COALESCE(branch.name, ''), project.name \
    FROM session JOIN project ON project.id = session.project_id LEFT JOIN build ON build.id = session.build_id \
    LEFT JOIN pipeline ON pipeline.id = build.pipeline_id AND pipeline.project_id = project.id \
    LEFT JOIN branch ON branch.id = session.branch_id AND branch.project_id = project.id \
    WHERE session.announced IS NOT NULL ORDER BY session.announced";

/// Key, kind, run date, revision, numbers of sessions and of those with metrics, machine, pipeline, build, branch, project.
type Run = (i64, String, i64, String, i64, i64, String, String, String, String, String);
const RUNS: &str = "SELECT run.id, run.kind, run.run_date, COALESCE(run.scm_ref, ''), run.session_count, run.measured_count, \
    COALESCE(run.machine, ''), COALESCE(pipeline.name, ''), COALESCE(build.name, ''), COALESCE(branch.name, ''), project.name \
    FROM run JOIN project ON project.id = run.project_id LEFT JOIN build ON build.id = run.build_id \
    LEFT JOIN pipeline ON pipeline.id = run.pipeline_id LEFT JOIN branch ON branch.id = run.branch_id";

/// Names of a project, of something that has runs, and of its pipeline if that is part of what it is.
type Names = (String, String, String);

/// What keeps its latest run: table, SQL, names by session and by run.
type Keeper = (&'static str, &'static str, fn(&Session) -> Names, fn(&Run) -> Names);
const LATEST_RUNS: [Keeper; 3] = [
    (
        "branch",
        "SELECT project.name, branch.name, '', branch.last_run_date FROM branch JOIN project ON project.id = branch.project_id",
        |session| (session.9.clone(), session.8.clone(), String::new()),
        |run| (run.10.clone(), run.9.clone(), String::new()),
    ),
    (
        "build",
        "SELECT project.name, build.name, pipeline.name, build.last_run_date FROM build \
         JOIN pipeline ON pipeline.id = build.pipeline_id JOIN project ON project.id = pipeline.project_id WHERE build.name <> ''",
        |session| (session.9.clone(), session.7.clone(), session.6.clone()),
        |run| (run.10.clone(), run.8.clone(), run.7.clone()),
    ),
    (
        "pipeline",
        "SELECT project.name, pipeline.name, '', pipeline.last_run_date FROM pipeline JOIN project ON project.id = pipeline.project_id",
        |session| (session.9.clone(), session.6.clone(), String::new()),
        |run| (run.10.clone(), run.7.clone(), String::new()),
    ),
];

/// What the sessions of a run say of it.
fn run_of(kind: &str, sessions: &[&Session]) -> Run {
    let measured: Vec<_> = sessions.iter().filter(|session| session.4 > 0).collect();
    let dates = if measured.is_empty() { sessions.iter().collect() } else { measured.clone() };
    let first = sessions[0];
    let first_of = |text: fn(&Session) -> &String| {
        let mut texts = sessions.iter().map(|session| text(session)).filter(|text| !text.is_empty());
        texts.next().cloned().unwrap_or_default()
    };
    let machines: BTreeSet<&String> =
        sessions.iter().map(|session| &session.5).filter(|name| !name.is_empty()).collect();
    let machine = if kind == "inferred" {
        assert!(machines.len() <= 1, "{sessions:?}");
        first_of(|session| &session.5)
    } else {
        String::new()
    };
    (
        first.0,
        kind.to_owned(),
        dates.iter().map(|session| session.2).min().unwrap(),
        first_of(|session| &session.3),
        i64::try_from(sessions.len()).unwrap(),
        i64::try_from(measured.len()).unwrap(),
        machine,
        first.6.clone(),
        first.7.clone(),
        first_of(|session| &session.8),
        first.9.clone(),
    )
}

/// Asserts what follows from the announced sessions and contexts.
pub async fn check(connection: &DatabaseConnection) {
    for (what, sql) in [
        ("sessions without a run", "SELECT COUNT(*) FROM session WHERE announced IS NOT NULL AND run_id IS NULL"),
        (
            "contexts without a class",
            "SELECT COUNT(*) FROM execution_context WHERE announced IS NOT NULL AND machine_class_id IS NULL",
        ),
        (
            "classes without a context",
            "SELECT COUNT(*) FROM machine_class WHERE id NOT IN \
            (SELECT machine_class_id FROM execution_context WHERE machine_class_id IS NOT NULL)",
        ),
        (
            "sessions on a machine that they have not measured on",
            "SELECT COUNT(*) FROM session WHERE machine IS NOT NULL AND machine NOT IN \
            (SELECT machine_node FROM session_context JOIN execution_context ON execution_context.id = context_id \
            WHERE session_id = session.id AND execution_context.announced IS NOT NULL)",
        ),
    ] {
        assert_eq!(all::<(i64,)>(connection, sql).await, [(0,)], "{what}");
    }
    let sessions: Vec<Session> = all(connection, SESSIONS).await;
    let runs: Vec<Run> = all(connection, RUNS).await;
    let mut of_runs: BTreeMap<i64, Vec<&Session>> = BTreeMap::new();
    for session in &sessions {
        of_runs.entry(session.0).or_default().push(session);
    }
    let kinds: BTreeMap<i64, &str> = runs.iter().map(|run| (run.0, run.1.as_str())).collect();
    let expected = of_runs.iter().map(|(run, sessions)| run_of(kinds.get(run).unwrap_or(&"missing"), sessions));
    same("run", runs.clone(), expected);

    // By the names of the project and of a branch, of a build and its pipeline, or of a pipeline alone.
    let latest = |dates: Vec<(Names, i64)>| {
        let mut latest: BTreeMap<Names, i64> = BTreeMap::new();
        for (names, date) in dates.into_iter().filter(|(names, _)| !names.1.is_empty()) {
            latest.entry(names).and_modify(|other| *other = date.max(*other)).or_insert(date);
        }
        latest
    };
    for (table, sql, of_session, of_run) in LATEST_RUNS {
        let mut expected = latest(sessions.iter().map(|session| (of_session(session), session.2)).collect());
        let of_runs = latest(runs.iter().map(|run| (of_run(run), run.2)).collect());
        expected.extend(of_runs);
        let stored: Vec<(String, String, String, i64)> = all(connection, sql).await;
        same(
            table,
            stored,
            expected.into_iter().map(|((project, name, pipeline), date)| (project, name, pipeline, date)),
        );
    }
    let projects: BTreeSet<String> = sessions.iter().map(|session| session.9.clone()).chain([String::new()]).collect();
    let stored: Vec<(String,)> = all(connection, "SELECT name FROM project").await;
    same("project", stored.into_iter().map(|(name,)| name).collect(), projects);
}
