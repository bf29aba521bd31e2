//! The JSON of requests: how much it may hold, and how it is read.

use async_graphql::{Name, Value, indexmap::IndexMap};
use serde_json::value::RawValue;

use crate::error::{Code, Error};

/// What some programs put in front of a text in UTF-8 (U+FEFF), and others don't expect there.
const MARK: &str = "\u{feff}";

/// JSON without a byte order mark in front of it.
pub fn without_mark(json: &[u8]) -> &[u8] {
    json.strip_prefix(MARK.as_bytes()).unwrap_or(json)
}

/// A text without a byte order mark in front of it.
pub fn without_mark_of_text(text: &str) -> &str {
    text.strip_prefix(MARK).unwrap_or(text)
}

/// Digits of a whole number that 64 bits may not hold.
const LONG: usize = 19;
/// Levels of objects and lists in which numbers are kept exactly: variables, an input, its tags, one of a list of them.
const EXACT_LEVELS: usize = 4;

/// Whether JSON may hold a number for which [`read_exactly`] makes a difference.
pub fn has_long_numbers(json: &[u8]) -> bool {
    // Of so many digits in a row, one stands at a multiple of their number.
    let is_long = |at: usize| {
        let before = json[..at].iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        before + json[at..].iter().take_while(|byte| byte.is_ascii_digit()).count() >= LONG
    };
    (0..json.len()).step_by(LONG).any(|at| json[at].is_ascii_digit() && is_long(at))
}

/// Reads JSON. Whole numbers beyond 64 bits are kept digit by digit: as a [`Value::Enum`], which nothing else in JSON can be.
///
/// # Errors
/// It is no JSON.
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
    within(json.trim(), EXACT_LEVELS)
}

/// Values of a request, at most, those within each other all counted: each takes a multiple of what it took as text. The greatest
/// mutation, of 10,000 metrics, has half as many.
const MOST_VALUES: usize = 400_000;

/// Refuses JSON that would take far more memory than its text.
///
/// # Errors
/// [`Code::TooLarge`].
pub fn check_values(json: &[u8]) -> Result<(), Error> {
    // A value takes a byte and a comma.
    if json.len() / 2 < MOST_VALUES {
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
    if values > MOST_VALUES {
        let message = format!("the body holds more than {MOST_VALUES} values: send it in parts");
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
        fn long_numbers_are_found_wherever_they_are(before in "[a-z]{0,40}", digits in "[0-9]{1,40}", behind in "[a-z]{0,40}") {
            let json = format!("{before}{digits}{behind}");
            prop_assert_eq!(has_long_numbers(json.as_bytes()), digits.len() >= LONG);
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
    fn nothing_is_read_deeper_than_the_stack_is() {
        assert!(read_exactly(&"[".repeat(1_000_000)).is_err());
        assert!(read_exactly(&format!("{}1{}", "[".repeat(1_000), "]".repeat(1_000))).is_err());
    }
}
