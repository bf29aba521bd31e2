//! Descriptions of numbers in the schema: what is measured, and in what unit.

use async_graphql::parser::{
    parse_schema,
    types::{BaseType, TypeKind, TypeSystemDefinition},
};

/// Types, or unions of conditions, that have numbers.
const NUMERIC: [&str; 2] = ["Float", "FloatFilter"];
const UNITS: [&str; 5] = ["seconds", "MB", "ratio", "MHz", "unit of the resource"];
/// Types whose unit is that of the field that leads to them.
const UNIT_OF_PARENT: [&str; 1] = ["FloatFilter"];

/// Returns every field of every object and input object: path, type name and description.
fn fields() -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    for definition in parse_schema(metrograph::sdl()).unwrap().definitions {
        let TypeSystemDefinition::Type(ty) = definition else { continue };
        let owner = ty.node.name.node.to_string();
        let mut add = |name: &str, ty: &async_graphql::parser::types::Type, description: Option<String>| {
            let mut base = &ty.base;
            while let BaseType::List(item) = base {
                base = &item.base;
            }
            let BaseType::Named(named) = base else { return };
            found.push((format!("{owner}.{name}"), named.to_string(), description.unwrap_or_default()));
        };
        match ty.node.kind {
            TypeKind::Object(object) => {
                for field in object.fields {
                    let description = field.node.description.map(|text| text.node);
                    add(&field.node.name.node, &field.node.ty.node, description);
                }
            }
            TypeKind::InputObject(object) => {
                for field in object.fields {
                    add(&field.node.name.node, &field.node.ty.node, field.node.description.map(|text| text.node));
                }
            }
            TypeKind::Enum(values) => {
                for value in values.values {
                    let description = value.node.description.map(|text| text.node).unwrap_or_default();
                    found.push((format!("{owner}.{}", value.node.value.node), owner.clone(), description));
                }
            }
            _ => {}
        }
    }
    found
}

fn said_of(place: &str) -> String {
    let found = fields().into_iter().find(|(found, ..)| found == place);
    found.unwrap_or_else(|| panic!("there is no {place}")).2.replace('\n', " ")
}

#[test]
fn every_number_has_its_unit() {
    let mut seen = 0;
    for (place, ty, description) in fields() {
        let owner = place.split('.').next().unwrap();
        if UNIT_OF_PARENT.contains(&owner) || !(NUMERIC.contains(&ty.as_str()) || ty == "Bounds" || owner == "Resource")
        {
            continue;
        }
        assert!(UNITS.iter().any(|unit| description.contains(unit)), "{place}: {description:?} names no unit");
        seen += 1;
    }
    assert!(seen >= 25, "{seen}");
}

#[test]
fn resources_are_described_as_the_plugin_measures_them() {
    for (field, words) in [
        ("totalTime", &["wall-clock", "garbage collection"][..]),
        ("userTime", &["fixtures", "child processes"]),
        ("kernelTime", &["fixtures", "child processes"]),
        ("cpuUsage", &["fixtures", "above 1", "child processes"]),
        ("memoryUsage", &["peak", "start of the session", "order"]),
    ] {
        for owner in ["Metric", "MetricInput"] {
            let said = said_of(&format!("{owner}.{field}")).to_lowercase();
            for word in words {
                assert!(said.contains(word), "{owner}.{field}: {said:?} does not name {word}");
            }
        }
    }
}

#[test]
fn names_are_described_as_the_plugin_sends_them() {
    for place in
        ["Metric.location", "MetricInput.location", "Variant.location", "MetricWhere.location", "VariantWhere.location"]
    {
        let said = said_of(place);
        assert!(said.contains("rootdir") && !said.contains("started"), "{place}: {said:?}");
    }
    for place in ["Metric.variant", "Item.name", "Variant.name"] {
        assert!(said_of(place).contains("class"), "{place}: {:?}", said_of(place));
    }
    assert!(said_of("Metric.passed").contains("plugin"));
}
