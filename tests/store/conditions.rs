//! The conditions of filters, as a naive model evaluates them.

use std::cmp::Ordering;

use serde_json::Value;

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
