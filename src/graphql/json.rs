//! The JSON of requests: limits its values, and reads long whole numbers exactly.

use async_graphql::{Name, Value, indexmap::IndexMap};
use serde_json::value::RawValue;

use crate::{
    error::{Code, Error},
    graphql::limits::MAX_BODY_VALUES,
};

/// Some programs write it before a text in UTF-8 (U+FEFF); JSON parsers refuse it.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Returns JSON without its byte order mark.
pub fn without_bom(json: &[u8]) -> &[u8] {
    json.strip_prefix(BYTE_ORDER_MARK.as_bytes()).unwrap_or(json)
}

/// Returns a text without its byte order mark.
pub fn text_without_bom(text: &str) -> &str {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}

/// Digits from which a whole number may not fit into 64 bits.
const LONG_NUMBER_DIGITS: usize = 19;
/// Levels of objects and lists in which numbers are read exactly: variables, an input, its tags, a tag of a list.
const EXACT_DEPTH: usize = 4;

/// Whether JSON may contain a number that only [`read_exactly`] reads without loss.
pub fn has_long_numbers(json: &[u8]) -> bool {
    // A run of that many digits covers a multiple of that number: other bytes need not be read.
    let is_long = |at: usize| {
        let before = json[..at].iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        before + json[at..].iter().take_while(|byte| byte.is_ascii_digit()).count() >= LONG_NUMBER_DIGITS
    };
    (0..json.len()).step_by(LONG_NUMBER_DIGITS).any(|at| json[at].is_ascii_digit() && is_long(at))
}

/// Parses JSON. Whole numbers that do not fit into 64 bits become a [`Value::Enum`] of their digits; nothing else in JSON does.
///
/// # Errors
/// The text is not JSON.
pub fn read_exactly(json: &str) -> serde_json::Result<Value> {
    fn within(json: &str, levels: usize) -> serde_json::Result<Value> {
        match (json.as_bytes().first(), levels.checked_sub(1)) {
            (Some(b'{'), Some(levels)) => {
                let members: IndexMap<Name, &RawValue> = serde_json::from_str(json)?;
                let members = members.into_iter().map(|(name, raw)| Ok((name, within(raw.get(), levels)?)));
                members.collect::<serde_json::Result<_>>().map(Value::Object)
            }
            (Some(b'['), Some(levels)) => {
                let items: Vec<&RawValue> = serde_json::from_str(json)?;
                items
                    .into_iter()
                    .map(|raw| within(raw.get(), levels))
                    .collect::<serde_json::Result<_>>()
                    .map(Value::List)
            }
            (Some(b'-' | b'0'..=b'9'), _) => match serde_json::from_str(json)? {
                Value::Number(number) if number.is_f64() && !json.contains(['.', 'e', 'E']) => {
                    Ok(Value::Enum(Name::new(json)))
                }
                value => Ok(value),
            },
            _ => serde_json::from_str(json),
        }
    }
    within(json.trim(), EXACT_DEPTH)
}

/// Checks that JSON has at most [`MAX_BODY_VALUES`] values: once parsed, they take far more memory than their text.
///
/// # Errors
/// [`Code::TooLarge`].
pub fn check_values(json: &[u8]) -> Result<(), Error> {
    // A value takes at least one byte and a comma.
    if json.len() / 2 < MAX_BODY_VALUES {
        return Ok(());
    }
    let (mut values, mut in_text, mut is_escaped) = (0, false, false);
    for byte in json {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = in_text,
            b'"' => in_text = !in_text,
            b',' | b'[' | b'{' if !in_text => values += 1,
            _ => {}
        }
    }
    if values > MAX_BODY_VALUES {
        let message = format!("the body holds more than {MAX_BODY_VALUES} values: send it in parts");
        return Err(Error::new(Code::TooLarge, message));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that can't go on fails")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn long_numbers_are_found_wherever_they_are(before in "[a-z]{0,40}", digits in "[0-9]{1,40}", after in "[a-z]{0,40}") {
            let json = format!("{before}{digits}{after}");
            prop_assert_eq!(has_long_numbers(json.as_bytes()), digits.len() >= LONG_NUMBER_DIGITS);
        }

        #[test]
        fn whole_numbers_keep_their_digits(number in "-?[1-9][0-9]{0,40}") {
            let Value::Object(read) = read_exactly(&format!(" {{\"n\": [{number}]}} ")).unwrap() else { panic!() };
            let Value::List(items) = &read["n"] else { panic!() };
            let text = match &items[0] {
                Value::Number(number) => number.to_string(),
                Value::Enum(digits) => digits.to_string(),
                other => panic!("{other:?}"),
            };
            prop_assert_eq!(text, number);
        }
    }

    #[test]
    fn a_body_has_a_limited_number_of_values() {
        let list = |items: usize| format!("[{}0]", "0,".repeat(items - 1));
        assert!(check_values(list(MAX_BODY_VALUES).as_bytes()).is_ok());
        assert!(check_values(list(MAX_BODY_VALUES + 1).as_bytes()).is_err());
        let text = format!("\"{}\"", "\\\",[".repeat(MAX_BODY_VALUES));
        assert!(check_values(text.as_bytes()).is_ok());
    }

    #[test]
    fn a_byte_order_mark_is_removed() {
        assert_eq!(without_bom("\u{feff}{}".as_bytes()), b"{}");
        assert_eq!(text_without_bom("\u{feff}{}"), "{}");
        assert_eq!(text_without_bom("{}"), "{}");
    }

    #[test]
    fn nothing_is_read_deeper_than_the_stack_is() {
        assert!(read_exactly(&"[".repeat(1_000_000)).is_err());
        assert!(read_exactly(&format!("{}1{}", "[".repeat(1_000), "]".repeat(1_000))).is_err());
    }
}
