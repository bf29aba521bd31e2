//! The conditions of filters: some by chance, and how a naive model evaluates them.

use std::cmp::Ordering;

use proptest::{
    arbitrary::any,
    collection::vec,
    option, prop_oneof,
    sample::select,
    strategy::{BoxedStrategy, Strategy},
};
use serde_json::{Value, json};

/// Fields of resources.
pub const FIGURES: &[&str] = &["totalTime", "userTime", "kernelTime", "cpuUsage", "memoryUsage"];

/// Fields of texts, with the values that filters are made of.
const TEXTS: &[(&str, &[&str])] = &[
    ("session", &["s0", "s1", "s2", "s3", "s4", "s5", "s6", "nowhere"]),
    ("context", &["c0", "c1", "c2", "nowhere"]),
    ("component", &["core", "net", ""]),
    ("path", &["pkg.a", "pkg.b", "pkg.c", "pkg.a.deep"]),
    ("item", &["test_a", "Test_C", "test_d"]),
    ("variant", &["test_a[1]", "test_a[2]", "Test_C", ""]),
    ("scmRef", &["aaa", "bbb", "ccc"]),
    ("pipeline", &["main", "next", ""]),
    ("build", &["1", "2", ""]),
    ("project", &["p", "", "q"]),
    ("branch", &["main", "dev", "topic"]),
    ("machine", &["node-0", "node-1", "nowhere"]),
];

/// Times of tests and sessions.
pub fn time() -> impl Strategy<Value = String> {
    let year = select(vec!["2026", "2026", "2026", "2026", "2026", "1969", "2031"]);
    let fraction = select(vec!["", "", "", ".000001", ".125000"]);
    (year, 5..8_u8, 0..3_u8, 0..4_u8, 0..3_u8, fraction).prop_map(|(year, day, hour, minute, second, fraction)| {
        format!("{year}-01-{day:02}T{:02}:{minute:02}:{second:02}{fraction}", hour * 11)
    })
}

/// Returns a condition on texts of ASCII. `at` are random positions.
fn text_condition(pool: &[&str], kind: u8, at: &[usize]) -> Value {
    let value = pool[at[0] % pool.len()];
    let (head, tail) = value.split_at(at[1].min(value.len()));
    match kind {
        0 => json!({ "eq": value }),
        1 => json!({ "in": at[at[1] % 4..].iter().map(|at| pool[at % pool.len()]).collect::<Vec<_>>() }),
        2 => json!({ "startsWith": head }),
        3 => json!({ "contains": tail.to_uppercase() }),
        4 => json!({ "like": format!("{head}%") }),
        _ => json!({ "like": "_".repeat(head.len()) + &tail.to_uppercase() }),
    }
}

fn comparison(value: BoxedStrategy<Value>) -> impl Strategy<Value = Value> {
    let operator = select(vec!["eq", "gt", "gte", "lt", "lte"]);
    prop_oneof![
        vec((operator, value.clone()), 1..=2).prop_map(|all| all.into_iter().collect::<Value>()),
        vec(value, 0..4).prop_map(|values| json!({ "in": values })),
    ]
}

fn tagged() -> impl Strategy<Value = (&'static str, Value)> {
    let tag = (select(vec!["project", "branch", "nowhere"]), select(vec!["p", "q", "main", "dev", "topic", ""]));
    (vec(tag, 0..3), any::<bool>()).prop_map(|(tags, all)| {
        let (names, values): (Vec<_>, Vec<_>) = tags.into_iter().unzip();
        let method = if all { "MATCH_ALL" } else { "MATCH_ANY" };
        ("tagged", json!({ "names": names, "values": values, "method": method }))
    })
}

fn conditions(most: usize) -> impl Strategy<Value = Value> {
    let text = (select(TEXTS), 0..6_u8, vec(0..16_usize, 3))
        .prop_map(|((field, pool), kind, at)| (field, text_condition(pool, kind, &at)));
    let level = (-8..17_i8, select(vec![0.25, 0.1])).prop_map(|(number, unit)| json!(f64::from(number) * unit));
    let figure = (select(FIGURES), comparison(level.boxed()));
    let time = comparison(time().prop_map(Value::from).boxed()).prop_map(|condition| ("startedAt", condition));
    let run_date = comparison(self::time().prop_map(Value::from).boxed()).prop_map(|condition| ("runDate", condition));
    let passed = any::<bool>().prop_map(|passed| ("passed", json!(passed)));
    vec(prop_oneof![5 => text, 1 => time, 1 => run_date, 1 => tagged(), 2 => figure, 1 => passed], 0..=most)
        .prop_map(|all| all.into_iter().collect::<Value>())
}

/// Filters of metrics.
pub fn filter() -> impl Strategy<Value = Value> {
    conditions(2).prop_recursive(2, 6, 2, |inner| {
        let and = option::weighted(0.3, vec(inner.clone(), 0..3));
        let or = option::weighted(0.5, vec(inner.clone(), 0..4));
        (conditions(1), and, or, option::weighted(0.3, inner)).prop_map(|(mut filter, and, or, not)| {
            (filter["and"], filter["or"], filter["not"]) = (json!(and), json!(or), json!(not));
            filter
        })
    })
}

/// Returns whether a text matches a LIKE pattern.
fn like(pattern: &str, text: &str) -> bool {
    let Some(sign) = pattern.chars().next() else { return text.is_empty() };
    let rest = &pattern[sign.len_utf8()..];
    if sign == '%' {
        return text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| like(rest, &text[at..]));
    }
    let mut chars = text.chars();
    chars.next().is_some_and(|char| sign == '_' || sign.eq_ignore_ascii_case(&char)) && like(rest, chars.as_str())
}

/// Returns whether one condition holds. None holds for null.
pub fn holds(value: &Value, operator: &str, operand: &Value) -> bool {
    let text = value.as_str().zip(operand.as_str());
    let order = match value.as_f64().zip(operand.as_f64()) {
        Some((value, operand)) => value.partial_cmp(&operand),
        None => text.map(|(value, operand)| value.cmp(operand)),
    };
    match operator {
        "in" => operand.as_array().unwrap().iter().any(|operand| holds(value, "eq", operand)),
        "eq" => order == Some(Ordering::Equal),
        "gt" => order == Some(Ordering::Greater),
        "gte" => order.is_some_and(Ordering::is_ge),
        "lt" => order == Some(Ordering::Less),
        "lte" => order.is_some_and(Ordering::is_le),
        "startsWith" => text.is_some_and(|(value, prefix)| value.starts_with(prefix)),
        "contains" => text.is_some_and(|(value, pattern)| like(&format!("%{pattern}%"), value)),
        _ => text.is_some_and(|(value, pattern)| like(pattern, value)),
    }
}

/// Returns whether a session with these tags, if it is announced, matches a filter of tags. Tags without a value are not there.
pub fn is_tagged(tags: &[(&str, Value)], filter: &Value) -> bool {
    let list = |name: &str| filter[name].as_array().unwrap().clone();
    let has = |(name, value): (Value, Value)| {
        let tag = tags.iter().find(|(other, _)| name == *other).and_then(|(_, value)| value.as_str());
        tag.is_some_and(|tag| if value == "" { !tag.is_empty() } else { value == tag })
    };
    let mut pairs = list("names").into_iter().zip(list("values"));
    match filter["method"].as_str() {
        Some("MATCH_ALL") => pairs.all(has),
        _ => pairs.len() == 0 || pairs.any(has),
    }
}
