//! Holds every counter, bound and list of words against the metrics and announcements that they are made of.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection, Statement, TryGetableMany};
use serde_json::{Value, json};

use crate::support::{TestApp, counted_runs};

const METRICS: &str = "query($after: String) { metrics(first: 500, after: $after) { nodes { id sessionHash contextHash
    componentName itemPath itemName variantName location kind totalTime userTime kernelTime cpuUsage memoryUsage }
    pageInfo { endCursor hasNextPage } } }";
const FIGURES: [&str; 5] = ["totalTime", "userTime", "kernelTime", "cpuUsage", "memoryUsage"];

/// A metric: its key, session, context, component, item (component, path, name) and variant (item, name, location, kind).
struct Fact {
    id: i64,
    session: String,
    context: String,
    component: String,
    item: String,
    variant: String,
    figures: [f64; 5],
}

impl Fact {
    fn of(metric: &Value) -> Self {
        let text = |name: &str| metric[name].as_str().unwrap().to_owned();
        let id = BASE64_URL_SAFE_NO_PAD.decode(metric["id"].as_str().unwrap()).unwrap();
        let id = String::from_utf8(id).unwrap().split_once(':').unwrap().1.parse().unwrap();
        let component = text("componentName");
        let item = format!("{component}\n{}\n{}", text("itemPath"), text("itemName"));
        let variant = format!("{item}\n{}\n{}\n{}", text("variantName"), text("location"), text("kind"));
        let figures = FIGURES.map(|name| metric[name].as_f64().unwrap());
        Self { id, session: text("sessionHash"), context: text("contextHash"), component, item, variant, figures }
    }
}

async fn facts(app: &TestApp) -> Vec<Fact> {
    let (mut facts, mut after) = (Vec::new(), Value::Null);
    loop {
        let page = app.run(METRICS, json!({ "after": after })).await["metrics"].take();
        facts.extend(page["nodes"].as_array().unwrap().iter().map(Fact::of));
        if page["pageInfo"]["hasNextPage"] == false {
            return facts;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
}

pub(super) async fn all<T: TryGetableMany>(connection: &DatabaseConnection, sql: &str) -> Vec<T> {
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let rows = connection.query_all_raw(statement).await.unwrap();
    rows.iter().map(|row| T::try_get_many_by_index(row).unwrap()).collect()
}

pub(super) fn same<T: Debug + Ord>(what: &str, stored: Vec<T>, expected: impl IntoIterator<Item = T>) {
    let count = stored.len();
    let (stored, expected) = (BTreeSet::from_iter(stored), BTreeSet::from_iter(expected));
    assert_eq!(count, stored.len(), "{what} twice: {stored:?}");
    let (more, less) = (stored.difference(&expected), expected.difference(&stored));
    let (more, less): (Vec<_>, Vec<_>) = (more.collect(), less.collect());
    assert!(more.is_empty() && less.is_empty(), "{what}: stored only: {more:?}; expected only: {less:?}");
}

/// Groups the facts: each key with the least key of a metric and their number.
fn groups<K: Ord + Clone>(facts: &[Fact], key: impl Fn(&Fact) -> K) -> BTreeMap<K, (i64, i64)> {
    let mut groups: BTreeMap<K, (i64, i64)> = BTreeMap::new();
    for fact in facts {
        let (first, count) = groups.entry(key(fact)).or_insert((fact.id, 0));
        (*first, *count) = ((*first).min(fact.id), *count + 1);
    }
    groups
}

/// Asserts that the database has exactly what follows from its metrics and announcements.
pub async fn check(app: &TestApp) {
    let facts = facts(app).await;
    let connection = Database::connect(app.settings().database_url.as_str()).await.unwrap();
    let counted = |key: fn(&Fact) -> String| groups(&facts, key).into_iter().map(|(key, (_, count))| (key, count));

    for (table, key) in [
        ("session", (|fact| fact.session.clone()) as fn(&Fact) -> String),
        ("execution_context", |fact| fact.context.clone()),
    ] {
        // Those that were announced may have none.
        let sql = format!("SELECT hash, metric_count FROM {table} WHERE announced IS NULL OR metric_count <> 0");
        same(table, all::<(String, i64)>(&connection, &sql).await, counted(key));
    }
    let variants = "SELECT component.name || CHR(10) || item.path || CHR(10) || item.name || CHR(10) || variant.name || CHR(10) || variant.location \
        || CHR(10) || variant.kind, variant.metric_count FROM variant JOIN item ON item.id = variant.item_id JOIN component ON component.id = item.component_id";
    let spelled = |sql: &str| match app.engine() {
        crate::support::Engine::Postgres => sql.to_owned(),
        crate::support::Engine::Sqlite => sql.replace("CHR(", "CHAR("),
    };
    same("variant", all::<(String, i64)>(&connection, &spelled(variants)).await, counted(|fact| fact.variant.clone()));
    let items = "SELECT component.name || CHR(10) || item.path || CHR(10) || item.name, CAST(0 AS BIGINT) FROM item \
        JOIN component ON component.id = item.component_id";
    same(
        "item",
        all::<(String, i64)>(&connection, &spelled(items)).await,
        counted(|fact| fact.item.clone()).map(|(name, _)| (name, 0)),
    );
    let components = "SELECT name, CAST(0 AS BIGINT) FROM component";
    same(
        "component",
        all::<(String, i64)>(&connection, components).await,
        counted(|fact| fact.component.clone()).map(|(name, _)| (name, 0)),
    );

    bounds(&connection, &spelled(variants), &facts).await;

    let in_sessions = "SELECT session.hash, component.name, first_metric_id, session_component.metric_count FROM session_component \
        JOIN session ON session.id = session_id JOIN component ON component.id = component_id";
    let expected = groups(&facts, |fact| (fact.session.clone(), fact.component.clone()));
    let expected =
        expected.into_iter().map(|((session, component), (first, count))| (session, component, first, count));
    same("session_component", all::<(String, String, i64, i64)>(&connection, in_sessions).await, expected);
    let in_contexts = "SELECT session.hash, execution_context.hash FROM session_context JOIN session ON session.id = session_id \
        JOIN execution_context ON execution_context.id = context_id";
    let expected = groups(&facts, |fact| (fact.session.clone(), fact.context.clone())).into_keys();
    same("session_context", all::<(String, String)>(&connection, in_contexts).await, expected);

    let builds = "SELECT session.hash, project.name || CHR(10) || pipeline.name, build.name FROM session \
        JOIN build ON build.id = session.build_id JOIN pipeline ON pipeline.id = build.pipeline_id \
        JOIN project ON project.id = pipeline.project_id";
    let builds: Vec<(String, String, String)> = all(&connection, &spelled(builds)).await;
    let build_of: BTreeMap<&str, (&str, &str)> = builds
        .iter()
        .map(|(session, pipeline, build)| (session.as_str(), (pipeline.as_str(), build.as_str())))
        .collect();
    let mut expected: BTreeMap<(&str, &str, &str), (i64, i64)> = BTreeMap::new();
    for ((session, component), (first, count)) in &groups(&facts, |fact| (fact.session.clone(), fact.component.clone()))
    {
        let Some((pipeline, build)) = build_of.get(session.as_str()) else { continue };
        let component = facts.iter().find(|fact| fact.component == *component).unwrap().component.as_str();
        let (least, total) = expected.entry((component, pipeline, build)).or_insert((*first, 0));
        (*least, *total) = ((*least).min(*first), *total + count);
    }
    let expected = expected.into_iter().map(|((component, pipeline, build), (first, count))| {
        (component.to_owned(), pipeline.to_owned(), build.to_owned(), first, count)
    });
    let in_builds = "SELECT component.name, project.name || CHR(10) || pipeline.name, build.name, first_metric_id, metric_count FROM component_build \
        JOIN component ON component.id = component_id JOIN build ON build.id = build_id \
        JOIN pipeline ON pipeline.id = build.pipeline_id AND pipeline.id = component_build.pipeline_id \
        JOIN project ON project.id = pipeline.project_id";
    same(
        "component_build",
        all::<(String, String, String, i64, i64)>(&connection, &spelled(in_builds)).await,
        expected,
    );

    // Nothing is left that nobody refers to, and nothing refers to what is not there.
    for sql in [
        "SELECT COUNT(*) FROM build WHERE id NOT IN (SELECT build_id FROM session WHERE build_id IS NOT NULL)",
        "SELECT COUNT(*) FROM pipeline WHERE id NOT IN (SELECT pipeline_id FROM build)",
        "SELECT COUNT(*) FROM tag WHERE id NOT IN (SELECT tag_id FROM session_tag)",
        "SELECT COUNT(*) FROM session_tag WHERE session_id NOT IN (SELECT id FROM session)",
        "SELECT COUNT(*) FROM component_build WHERE build_id NOT IN (SELECT id FROM build)",
        "SELECT COUNT(*) FROM v1_metric WHERE session_hash NOT IN (SELECT hash FROM session)",
    ] {
        assert_eq!(all::<(i64,)>(&connection, sql).await, [(0,)], "{sql}");
    }
    for table in ["session", "execution_context"] {
        let sql = format!(
            "SELECT COUNT(announced), CAST(COALESCE((SELECT greatest FROM deleted_key WHERE name = '{table}.announced'), 0) AS BIGINT), \
             CAST(COALESCE(MAX(announced), 0) AS BIGINT), \
             CAST(COALESCE((SELECT row_count FROM deleted_key WHERE name = '{table}.announced'), 0) AS BIGINT) FROM {table}"
        );
        for (count, deleted, newest, gaps) in all::<(i64, i64, i64, i64)>(&connection, &sql).await {
            assert_eq!(count, newest.max(deleted) - gaps, "{table}");
        }
    }
    counted_runs::check(&connection).await;
    connection.close().await.unwrap();
}

/// Asserts the least and the greatest values of each variant.
async fn bounds(connection: &DatabaseConnection, variants: &str, facts: &[Fact]) {
    for (index, column) in ["total_time", "user_time", "kernel_time", "cpu_usage", "memory_usage"].iter().enumerate() {
        let sql = variants.replacen("variant.metric_count", &format!("min_{column}, max_{column}"), 1);
        for (name, least, greatest) in all::<(String, f64, f64)>(connection, &sql).await {
            let values = facts.iter().filter(|fact| fact.variant == name).map(|fact| fact.figures[index]);
            let (min, max) =
                values.fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), value| (min.min(value), max.max(value)));
            assert!((least, greatest) == (min, max), "{column} of {name:?}: {least} to {greatest}, not {min} to {max}");
        }
    }
}
