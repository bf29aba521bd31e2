//! Example values of arguments. They belong to one small history, so the examples of GET find what those of POST store.

use apollo_compiler::{Schema, ast::Type, schema::ExtendedType};
use serde_json::{Value, json};

use crate::rest::{document::Variable, openapi::inputs::ArgumentPath};

/// Returns an example value of `variable`.
pub(crate) fn of(schema: &Schema, ty: &Type, variable: &Variable, place: Option<&ArgumentPath>) -> Value {
    if ty.is_list() {
        return json!([of(schema, ty.item_type(), variable, place)]);
    }
    let named = ty.inner_named_type().as_str();
    let example = place.and_then(|place| by_name(&place.field, place.name()));
    let fits = |value: &Value| match named {
        "String" | "ID" => value.is_string(),
        "Int" => value.is_i64(),
        "Float" => value.is_number(),
        _ => false,
    };
    if let Some(example) = example.filter(fits) {
        return example;
    }
    match (named, &variable.default) {
        (_, Some(default)) if !default.is_null() && !default.is_array() => default.clone(),
        ("Int", _) => 1.into(),
        ("Float", _) => 0.25.into(),
        ("Boolean", _) => true.into(),
        ("LocalDateTime", _) => "2026-01-05T03:00:00.125000".into(),
        ("Tags", _) => json!({ "pipeline_branch": "main", "pipeline_build_no": "100", "python": "3.12" }),
        _ => match schema.types.get(named) {
            Some(ExtendedType::Enum(definition)) => {
                definition.values.keys().next().map(|value| value.to_ascii_lowercase()).into()
            }
            Some(ExtendedType::InputObject(_)) => json!({}),
            _ => variable.name.clone().into(),
        },
    }
}

/// Returns an example for the GraphQL argument `name` of the root field `field`.
fn by_name(field: &str, name: &str) -> Option<Value> {
    const SESSION: &str = "c3ab8ff13720e8ad9047dd39466b3c89";
    const CONTEXT: &str = "f1d2d2f924e986ac86fdf7b36c94bcdf";
    Some(match name {
        "hash" if field.to_ascii_lowercase().contains("context") => CONTEXT.into(),
        "contextHash" | "context" => CONTEXT.into(),
        "hash" | "sessionHash" | "session" => SESSION.into(),
        "name" if field.starts_with("component") => "core".into(),
        "name" if field.starts_with("pipeline") => "main".into(),
        // Global IDs of the first ones: `Metric:1`, `Variant:1`, `Build:1`, `Run:1`.
        "id" if field == "node" => "TWV0cmljOjE".into(),
        "id" if field == "variant" => "VmFyaWFudDox".into(),
        "id" if field == "build" => "QnVpbGQ6MQ".into(),
        "id" if field == "run" => "UnVuOjE".into(),
        "componentName" | "component" => "core".into(),
        "pipeline" => "main".into(),
        "build" => "100".into(),
        "itemName" | "item" => "test_sum".into(),
        "variantName" | "variant" => "test_sum[3]".into(),
        "itemPath" | "path" => "tests.test_sum".into(),
        "location" => "tests/test_sum.py".into(),
        "kind" => "function".into(),
        "scmRef" => "3f786850e387550fdab836ed7e6dc881de23001b".into(),
        "names" => "python".into(),
        "values" => "3.12".into(),
        "userTime" => 0.2.into(),
        "kernelTime" => 0.01.into(),
        "cpuUsage" => 0.84.into(),
        "memoryUsage" => 1.5.into(),
        "cpuCount" => 8.into(),
        "cpuFrequency" => 2400.0.into(),
        "cpuType" | "machineType" => "x86_64".into(),
        "cpuVendor" => "Intel(R) Xeon(R) Gold 6248".into(),
        "ramTotal" => 32_000.into(),
        "machineNode" => "ci-1.example".into(),
        "machineArch" => "64bit".into(),
        "systemInfo" => "Linux - 6.12.0".into(),
        "pythonInfo" => "3.12.8 (main, Dec  3 2024) [GCC 13.2.0]".into(),
        _ => return None,
    })
}
