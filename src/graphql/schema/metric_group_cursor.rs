//! Cursors of groups: the place of a group in an order, as opaque text.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use entity::query::groups::{Name, Position, Thing};
use serde_json::{Value, json};

use crate::error::Error;

fn write(thing: &Thing) -> Value {
    match thing {
        Thing::Row(row) => json!(["row", row]),
        Thing::Text(text) => json!(["text", text]),
        Thing::Since(since) => json!(["since", since]),
        Thing::Passed(passed) => json!(["passed", passed]),
        Thing::Nothing => json!([]),
    }
}

fn read(thing: &Value) -> Option<Thing> {
    let [kind, value] = thing.as_array()?.as_slice() else { return Some(Thing::Nothing) };
    Some(match kind.as_str()? {
        "row" => Thing::Row(value.as_i64()?),
        "text" => Thing::Text(value.as_str()?.to_owned()),
        "since" => Thing::Since(value.as_i64()?),
        "passed" => Thing::Passed(value.as_bool()?),
        _ => return None,
    })
}

/// Returns the cursor of a position in `list`.
pub fn encode_cursor(list: &str, Position { value, names }: &Position) -> String {
    let names: Vec<Value> = names.iter().map(|(name, thing)| json!([name, write(thing)])).collect();
    BASE64_URL_SAFE_NO_PAD.encode(json!([list, value, names]).to_string())
}

/// Returns the position that a cursor marks in `list`, whose groups are of this many things.
///
/// # Errors
/// [`crate::error::Code::BadUserInput`] if it is no cursor of this list.
pub fn decode_cursor(list: &str, things: usize, cursor: &str) -> Result<Position, Error> {
    let name = |name: &Value| -> Option<Name> {
        let [name, thing] = name.as_array()?.as_slice() else { return None };
        Some((name.as_str().map(str::to_owned), read(thing)?))
    };
    let decode = || {
        let value: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
        let [of, value, names] = value.as_array()?.as_slice() else { return None };
        let names: Vec<Name> = names.as_array()?.iter().map(name).collect::<Option<_>>()?;
        (of == list && names.len() == things).then_some(Position { value: value.as_i64()?, names })
    };
    decode().ok_or_else(|| Error::bad_input(format!("after: '{cursor}' is no cursor of these groups in this order")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use entity::query::groups::{Position, Thing};

    use super::{decode_cursor, encode_cursor};

    #[test]
    fn a_cursor_marks_the_position_that_it_was_made_from() {
        let things =
            [Thing::Row(7), Thing::Text("a:b".to_owned()), Thing::Since(-1), Thing::Passed(true), Thing::Nothing];
        let names = things.into_iter().map(|thing| (Some("name".to_owned()), thing)).chain([(None, Thing::Row(-1))]);
        let position = Position { value: i64::MIN, names: names.collect() };
        let cursor = encode_cursor("list", &position);
        assert_eq!(decode_cursor("list", 6, &cursor).unwrap(), position);
        for (list, things, cursor) in [("other", 6, cursor.as_str()), ("list", 5, &cursor), ("list", 6, "x")] {
            assert!(decode_cursor(list, things, cursor).is_err(), "{list}, {cursor}");
        }
    }
}
