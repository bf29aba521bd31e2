//! Property test (proptest): random histories are answered as a naive model answers them, on segments of a few rows.

use metrograph::config::SegmentSizes;
use proptest::{
    arbitrary::any,
    collection::vec,
    option, prop_oneof,
    sample::select,
    strategy::Strategy,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Value, json};

use crate::{
    store::{
        announced_model::{self, CONTEXTS, SESSIONS, Session, branch, machine, number, project, tags},
        conditions::{FIGURES, filter, holds, is_tagged, time},
        first_seen::FirstSeen,
    },
    support::{
        Engine, TestApp,
        builders::graphql::{context, session},
        counters,
        history::bare,
    },
};

const PAGE_SIZE: usize = 7;
const RECORD: &str = "mutation($m: [MetricInput!]!) { recordMetrics(input: {metrics: $m}) { metrics { id } } }";
const NODE: &str = "id sessionHash contextHash startedAt componentName itemPath itemName variantName location kind
    totalTime userTime kernelTime cpuUsage memoryUsage passed";

/// Component, path and name.
const ITEMS: &[(&str, &str, &str)] = &[
    ("core", "pkg.a", "test_a"),
    ("net", "pkg.b", "test_a"),
    ("", "pkg.c", "Test_C"),
    ("core", "pkg.a.deep", "test_d"),
];
const VARIANTS: &[&str] = &["test_a[1]", "Test_C[ü🙂]", ""];
const RESOURCES: &[&str] = &["TOTAL_TIME", "USER_TIME", "KERNEL_TIME", "CPU", "MEMORY"];

/// A list whose objects have metrics, what identifies these objects, and the names of that in filters.
type Parent = (&'static str, &'static str, &'static [&'static str]);
const PARENTS: &[Parent] = &[
    ("sessions", "session: hash", &["session"]),
    ("contexts", "context: hash", &["context"]),
    ("components", "component: name", &["component"]),
    ("items", "item: name path component { name }", &["item", "path", "component"]),
    ("variants", "variant: name item { name } component { name }", &["variant", "item", "component"]),
    ("pipelines", "pipeline: name", &["pipeline"]),
    ("builds", "build: name pipeline { name }", &["build", "pipeline"]),
    ("projects", "project: name", &["project"]),
    ("branches", "branch: name project { name }", &["branch", "project"]),
];

/// An order (odd ones descend, from 2 on they are by time), whether to begin at the start, and a number of metrics.
type Stretch = (usize, bool, usize);
/// What to do (see [`play`]), and with what; questions have a filter, a list of parents, a figure and a page number.
type Step = (u8, Session, &'static str, Value, Stretch, Parent, usize, i64);

/// Returns the text by which a time sorts, however it is written.
fn canonical(time: &Value) -> String {
    time.as_str().unwrap().replace(' ', "T").trim_end_matches("+02:00").trim_end_matches('Z').to_owned()
}

/// Inputs whose figures are on a grid, so that there are ties. Half of the CPU usages follow from the other figures.
fn metric() -> impl Strategy<Value = Value> {
    let time = (time(), select(vec!["T", "T", " "]), select(vec!["", "", "", "Z", "+02:00"]))
        .prop_map(|(time, separator, zone)| time.replace('T', separator) + zone);
    let usage = option::of(prop_oneof![select(vec![0.0, 0.25, 1.1]), 0.0..10.0_f64]);
    let keys = (select(SESSIONS), select(CONTEXTS), select(ITEMS), select(VARIANTS));
    (keys, time, (0..9_u8, 0..7_u8, 0..5_u8, -4..9_i8), usage, option::of(any::<bool>())).prop_map(
        |((session, context, (component, path, item), variant), time, grid, usage, passed)| {
            let (total, user, kernel) = (f64::from(grid.0) * 0.25, f64::from(grid.1) * 0.1, f64::from(grid.2) * 0.1);
            let exact = if total > 0.0 { (user + kernel) / total } else { 0.0 };
            json!({
                "sessionHash": session.0, "contextHash": context, "startedAt": time, "componentName": component,
                "itemPath": path, "itemName": item, "variantName": variant, "location": "a.py", "kind": "function",
                "totalTime": total, "userTime": user, "kernelTime": kernel, "cpuUsage": usage.unwrap_or(exact),
                "memoryUsage": f64::from(grid.3) * 0.5, "passed": passed,
            })
        },
    )
}

/// Rounds: steps, then metrics to record.
fn history() -> impl Strategy<Value = Vec<(Vec<Step>, Vec<Value>)>> {
    let (stretch, figure) = ((0..4_usize, any::<bool>(), 1..10_usize), 0..FIGURES.len());
    let (session, context, parent) = (select(SESSIONS), select(CONTEXTS), select(PARENTS));
    let step = (0..15_u8, session, context, filter(), stretch, parent, figure, -8..11_i64);
    vec((vec(step, 0..5), vec(metric(), 1..=20)), 8..=12)
}

/// What is stored: metrics as they are answered, and announced sessions and contexts, all in order of arrival.
#[derive(Default)]
struct Model {
    metrics: Vec<Value>,
    sessions: Vec<Session>,
    contexts: Vec<&'static str>,
    first_seen: FirstSeen,
}

impl Model {
    /// Returns what the filter of this name compares.
    fn value(&self, metric: &Value, field: &str) -> Value {
        let session = self.sessions.iter().find(|(hash, ..)| metric["sessionHash"] == *hash);
        match field {
            "scmRef" => json!(session.and_then(|(_, scm_ref, ..)| *scm_ref)),
            "pipeline" => json!(session.and_then(|(_, _, pipeline, _)| *pipeline)),
            "build" => json!(session.and_then(number)),
            "project" => json!(session.map(project)),
            "branch" => json!(session.and_then(branch)),
            "runDate" => json!(session.map(|_| "2026-01-05T03:00:00")),
            "machine" => {
                json!(self.contexts.iter().find(|hash| metric["contextHash"] == **hash).map(|hash| machine(hash)))
            }
            "session" | "context" => metric[format!("{field}Hash")].clone(),
            "component" | "item" | "variant" => metric[format!("{field}Name")].clone(),
            "path" => metric["itemPath"].clone(),
            "startedAt" => canonical(&metric["startedAt"]).into(),
            _ => metric[field].clone(),
        }
    }

    /// Returns what identifies the objects of a metric or session.
    fn names(&self, metric: &Value, names: &[&str]) -> Value {
        names.iter().map(|name| (*name, self.value(metric, name))).collect()
    }

    /// Notes the objects of a metric, or of what was announced, that belong to these lists.
    fn see(&mut self, metric: &Value, lists: &[&str]) {
        for (list, _, names) in PARENTS.iter().filter(|(list, ..)| lists.contains(list)) {
            let names = self.names(metric, names);
            if names.as_object().unwrap().values().all(|name| !name.is_null()) {
                self.first_seen.see(list, names);
            }
        }
    }

    /// Deletes a session. Returns whether it is there.
    fn delete(&mut self, hash: &str) -> bool {
        let (deleted, left): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.metrics).into_iter().partition(|metric| metric["sessionHash"] == hash);
        self.metrics = left;
        let sessions = self.sessions.len();
        self.sessions.retain(|session| session.0 != hash);
        let is_there = self.sessions.len() < sessions || !deleted.is_empty();
        // A context that it left without metrics goes with it.
        let is_left = |context: &str| self.metrics.iter().any(|metric| metric["contextHash"] == context);
        self.contexts.retain(|hash| is_left(hash) || !deleted.iter().any(|metric| metric["contextHash"] == *hash));
        let mut first_seen = std::mem::take(&mut self.first_seen);
        let sessions: Vec<Value> = self.sessions.iter().map(|(hash, ..)| json!({ "sessionHash": hash })).collect();
        let contexts: Vec<Value> = self.contexts.iter().map(|hash| json!({ "contextHash": hash })).collect();
        first_seen.retain(|list, object| {
            let (_, _, names) = PARENTS.iter().find(|parent| parent.0 == list).unwrap();
            let of = match list {
                "contexts" => &contexts,
                "components" | "items" | "variants" => &self.metrics,
                _ => &sessions,
            };
            // The project without a name stays.
            object["project"] == "" && list == "projects" || of.iter().any(|one| self.names(one, names) == *object)
        });
        self.first_seen = first_seen;
        is_there
    }

    fn matches(&self, filter: &Value, metric: &Value) -> bool {
        filter.as_object().unwrap().iter().all(|(name, member)| match name.as_str() {
            _ if member.is_null() => true,
            "and" => member.as_array().unwrap().iter().all(|part| self.matches(part, metric)),
            "or" => member.as_array().unwrap().iter().any(|part| self.matches(part, metric)),
            "not" => !self.matches(member, metric),
            "passed" => metric["passed"] == *member,
            "tagged" => is_tagged(&["project", "branch"].map(|name| (name, self.value(metric, name))), member),
            field => {
                let value = self.value(metric, field);
                member.as_object().unwrap().iter().all(|(operator, operand)| holds(&value, operator, operand))
            }
        })
    }

    fn list(&self, filter: &Value, order: usize) -> Vec<Value> {
        let mut metrics: Vec<_> = self.metrics.iter().filter(|metric| self.matches(filter, metric)).cloned().collect();
        metrics.sort_by_key(|metric| if order < 2 { String::new() } else { canonical(&metric["startedAt"]) });
        if order % 2 == 1 {
            metrics.reverse();
        }
        metrics
    }

    /// Returns the objects of a list, each with a stretch of its metrics.
    fn edges(&self, filter: &Value, (list, _, names): Parent, (order, forwards, size): Stretch) -> Vec<Value> {
        let name = |metric: &Value| self.names(metric, names);
        let mut parents = self.first_seen.of(list);
        // The list of builds has none without a number.
        parents.retain(|parent| parent["build"] != "");
        let all = self.list(filter, order);
        for parent in &mut parents {
            let metrics: Vec<&Value> = all.iter().filter(|metric| name(metric) == *parent).collect();
            let (count, size) = (metrics.len(), size.min(metrics.len()));
            let shown = if forwards { &metrics[..size] } else { &metrics[count - size..] };
            parent["metrics"] = json!({ "totalCount": count, "nodes": shown });
        }
        parents
    }
}

fn arguments((order, forwards, size): Stretch) -> String {
    let (by, direction) = (["INSERTED", "STARTED_AT"][order / 2], ["ASC", "DESC"][order % 2]);
    let count = if forwards { "first" } else { "last" };
    format!("where: $w, orderBy: {{by: {by}, direction: {direction}}}, {count}: {size}")
}

async fn walk(app: &TestApp, model: &Model, filter: &Value, stretch: Stretch) {
    let ((order, forwards, size), mut place) = (stretch, String::new());
    let all = model.list(filter, order);
    let mut pages: Vec<&[Value]> = if forwards { all.chunks(size).collect() } else { all.rchunks(size).collect() };
    pages.resize(pages.len().max(1), &[]);
    let (beyond, next, cursor) =
        if forwards { ("after", "hasNextPage", "endCursor") } else { ("before", "hasPreviousPage", "startCursor") };
    for (number, page) in pages.iter().enumerate() {
        let list = format!("totalCount nodes {{ {NODE} }} pageInfo {{ {next} {cursor} }}");
        let query = format!("metricCount(where: $w) metrics({}{place}) {{ {list} }}", arguments(stretch));
        let query = format!("query($w: MetricWhere) {{ {query} }}");
        let mut found = app.graphql_with(&query, json!({ "w": filter })).await;
        place = format!(", {beyond}: {}", found["data"]["metrics"]["pageInfo"][cursor].take());
        let info = json!({ next: number + 1 < pages.len(), cursor: null });
        let list = json!({ "totalCount": all.len(), "nodes": page, "pageInfo": info });
        assert_eq!(found["errors"], Value::Null, "{query} {filter}");
        assert_eq!(found["data"], json!({ "metricCount": all.len(), "metrics": list }), "{query} {filter}");
    }
}

async fn ask(app: &TestApp, model: &Model, (kind, _, _, filter, stretch, parent, figure, page): &Step) {
    let (mut all, &(_, forwards, size)) = (model.list(filter, 0), stretch);
    let (query, expected) = match kind {
        3..=5 => return walk(app, model, filter, *stretch).await,
        6 | 7 => {
            let count = i64::try_from(all.len().div_ceil(PAGE_SIZE)).unwrap();
            let index = if *page < 0 { count.max(1) + page } else { page - 1 };
            let rows = usize::try_from(index).ok().and_then(|index| all.chunks(PAGE_SIZE).nth(index));
            let rows = rows.or((index == 0).then(<&[Value]>::default));
            let expected = rows.map(|rows| json!({ "items": rows, "totalPages": count, "totalCount": all.len() }));
            (format!("metricPage(where: $w, page: {page}) {{ items {{ {NODE} }} totalPages totalCount }}"), expected)
        }
        8 | 9 => {
            let value = |metric: &Value| metric[FIGURES[*figure]].as_f64().unwrap() * if forwards { -1.0 } else { 1.0 };
            all.sort_by(|one, other| value(one).partial_cmp(&value(other)).unwrap());
            all.truncate(size);
            let (resource, direction) = (RESOURCES[*figure], if forwards { "HIGHEST" } else { "LOWEST" });
            let arguments = format!("resource: {resource}, direction: {direction}, where: $w, first: {size}");
            (format!("topMetrics({arguments}) {{ {NODE} }}"), Some(json!(all)))
        }
        _ => {
            let metrics = format!("{} metrics({}) {{ totalCount nodes {{ {NODE} }} }}", parent.1, arguments(*stretch));
            (format!("{} {{ nodes {{ {metrics} }} }}", parent.0), Some(json!(model.edges(filter, *parent, *stretch))))
        }
    };
    let query = format!("query($w: MetricWhere) {{ {query} }}");
    let found = app.graphql_with(&query, json!({ "w": filter })).await;
    match expected {
        Some(expected) => assert_eq!(bare(found["data"].clone()), expected, "{query} {filter} {}", found["errors"]),
        None => assert_eq!(found["errors"][0]["extensions"]["code"], "NOT_FOUND", "{query} {filter}"),
    }
}

async fn play(app: &TestApp, history: Vec<(Vec<Step>, Vec<Value>)>) {
    let mut model = Model::default();
    model.first_seen.see("projects", json!({ "project": "" }));
    for (steps, metrics) in history {
        for step in &steps {
            let &(kind, announced, context_hash, ..) = step;
            match kind {
                0 | 1 => {
                    let (hash, scm_ref, ..) = announced;
                    let sent = json!({ "scmRef": scm_ref, "tags": tags(&announced) });
                    app.announce_session(session(hash, sent)).await;
                    model.sessions.extend((!model.sessions.contains(&announced)).then_some(announced));
                    let lists = ["sessions", "pipelines", "builds", "projects", "branches"];
                    model.see(&json!({ "sessionHash": hash }), &lists);
                }
                2 => {
                    let sent = json!({ "machineNode": machine(context_hash) });
                    app.announce_machine(context(context_hash, sent)).await;
                    model.contexts.extend((!model.contexts.contains(&context_hash)).then_some(context_hash));
                    model.see(&json!({ "contextHash": context_hash }), &["contexts"]);
                }
                14 => {
                    let deleted = app.delete(&[announced.0]).await;
                    assert_eq!(deleted.is_ok(), model.delete(announced.0), "{}: {deleted:?}", announced.0);
                    counters::check(app).await;
                    announced_model::check_runs(app, &model.sessions, &model.contexts, &model.metrics).await;
                }
                _ => ask(app, &model, step).await,
            }
        }
        let Value::Array(ids) = bare(app.run(RECORD, json!({ "m": metrics })).await) else { panic!("no list of ids") };
        assert_eq!(ids.len(), metrics.len());
        for (mut metric, id) in metrics.into_iter().zip(ids) {
            metric["id"] = id;
            model.see(&metric, &["components", "items", "variants"]);
            model.metrics.push(metric);
        }
        let ids: Vec<&Value> = model.metrics.iter().map(|metric| &metric["id"]).collect();
        let query = format!("query($i: [ID!]!) {{ nodes(ids: $i) {{ ... on Metric {{ {NODE} }} }} }}");
        assert_eq!(app.run(&query, json!({ "i": ids })).await["nodes"], json!(model.metrics));
    }
    for order in 0..4 {
        walk(app, &model, &json!({}), (order, order != 1, 37)).await;
    }
    counters::check(app).await;
    announced_model::check_runs(app, &model.sessions, &model.contexts, &model.metrics).await;
}

#[test]
fn random_histories_are_answered_as_a_naive_model_answers_them() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let config = Config { cases: 12, failure_persistence: None, max_shrink_iters: 30, ..Config::default() };
        let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
        let outcome = runner.run(&history(), |history| {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(16 << 20).build();
            runtime.unwrap().block_on(async {
                let app = TestApp::with(engine, |settings| {
                    settings.page_size = PAGE_SIZE.to_string().parse().unwrap();
                    settings.storage.segments = SegmentSizes { page: 4, segment: 16 };
                });
                if let Some(app) = app.await {
                    play(&app, history).await;
                    app.finish().await;
                }
            });
            Ok(())
        });
        outcome.unwrap_or_else(|error| panic!("{engine:?}: {error}"));
    }
}
