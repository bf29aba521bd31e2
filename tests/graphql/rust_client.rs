//! Rust's `graphql_client`, generated from the schema, against the program.

#![allow(clippy::large_enum_variant, reason = "generated")]

use graphql_client::{GraphQLQuery, Response};
use tempfile::TempDir;

use crate::support::program::Server;

type LocalDateTime = String;

#[derive(GraphQLQuery)]
#[graphql(schema_path = "schema.graphql", query_path = "tests/data/rust_client.graphql", response_derives = "Debug")]
struct Latest;

#[derive(GraphQLQuery)]
#[graphql(schema_path = "schema.graphql", query_path = "tests/data/rust_client.graphql", response_derives = "Debug")]
struct Record;

fn ask<Q: GraphQLQuery>(server: &Server, variables: Q::Variables) -> Q::ResponseData {
    let body = serde_json::to_value(Q::build_query(variables)).unwrap();
    let (status, answer) = server.request("POST", "/graphql", &body);
    let answer: Response<Q::ResponseData> = serde_json::from_value(answer).unwrap();
    assert_eq!((status, answer.errors), (200, None));
    answer.data.unwrap()
}

fn input(item: &str) -> record::MetricInput {
    record::MetricInput {
        session_hash: "s".to_owned(),
        context_hash: "c".to_owned(),
        started_at: "2026-01-05T03:00:00".to_owned(),
        component_name: "core".to_owned(),
        item_path: "tests.rust".to_owned(),
        item_name: item.to_owned(),
        variant_name: item.to_owned(),
        location: "tests/rust.py".to_owned(),
        kind: "function".to_owned(),
        total_time: 1.5,
        user_time: 1.0,
        kernel_time: 0.25,
        cpu_usage: 0.75,
        memory_usage: 1.0,
        passed: Some(true),
    }
}

/// The client sends the whole file with every operation.
#[test]
fn each_operation_of_a_file_runs_by_itself() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path(), &[], &[("METROGRAPH_LISTEN", "127.0.0.1:0")]);
    for item in ["one", "two", "three"] {
        let recorded = ask::<Record>(&server, record::Variables { input: input(item) }).record_metric;
        assert!(recorded.user_errors.is_empty(), "{recorded:?}");
        assert_eq!(recorded.metric.unwrap().item_name, item);
    }
    let latest = ask::<Latest>(&server, latest::Variables { count: 2 }).metrics;
    assert_eq!(latest.total_count, 3);
    let measured: Vec<_> = latest.nodes.iter().map(|node| (&*node.item_name, node.total_time, node.passed)).collect();
    assert_eq!(measured, [("two", 1.5, Some(true)), ("three", 1.5, Some(true))]);
    server.stop();
}
