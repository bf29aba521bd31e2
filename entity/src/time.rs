//! Naive local times, as clients send them.

use std::time::SystemTime;

use jiff::{
    civil::{DateTime, date},
    fmt::temporal::DateTimeParser,
};

/// A time on a client's own clock, without a time zone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LocalDateTime {
    /// Microseconds since 1970-01-01T00:00:00 on that clock.
    pub micros: i64,
    /// The text as it was sent, kept only if [`canonical`] would return another one.
    pub text: Option<String>,
}

/// The text is no ISO 8601 date or date and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotIso;

impl LocalDateTime {
    /// Reads an ISO 8601 date, or date and time, of the years 1 to 9999. An offset is kept in the text and otherwise ignored: the
    /// local time counts.
    pub fn parse(text: &str) -> Result<Self, NotIso> {
        static PARSER: DateTimeParser = DateTimeParser::new();
        if text.contains('[') || !text.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(NotIso);
        }
        let clock = text.strip_suffix(['Z', 'z']).unwrap_or(text);
        let instant = PARSER.parse_datetime(clock).map_err(|_| NotIso)?;
        if instant.year() < 1 {
            return Err(NotIso);
        }
        let micros = micros_of(instant);
        let text = (canonical(micros) != text).then(|| text.to_owned());
        Ok(Self { micros, text })
    }

    /// A stored time.
    pub fn from_parts(micros: i64, text: Option<String>) -> Self {
        Self { micros, text }
    }
}

impl std::fmt::Display for LocalDateTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.text {
            Some(text) => f.write_str(text),
            None => f.write_str(&canonical(self.micros)),
        }
    }
}

const fn epoch() -> DateTime {
    date(1970, 1, 1).at(0, 0, 0, 0)
}

fn micros_of(instant: DateTime) -> i64 {
    let since = instant.duration_since(epoch());
    since.as_secs() * 1_000_000 + i64::from(since.subsec_nanos()).div_euclid(1_000)
}

/// Returns the time of the server's clock, in microseconds since 1970 in UTC.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// The text that Python's `datetime.isoformat()` gives for `micros`: six fractional digits, or none for whole seconds.
pub fn canonical(micros: i64) -> String {
    let (seconds, fraction) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    let Ok(t) = epoch().checked_add(jiff::SignedDuration::from_secs(seconds)) else { return String::new() };
    let mut text = String::with_capacity(26);
    // Writing digits one by one takes a fifth of the time of formatting, and lists have a time in each row.
    let mut write = |mark: &str, number: i64, mut unit: i64| {
        text.push_str(mark);
        while unit > 0 {
            let digit = u8::try_from(number / unit % 10).unwrap_or_default();
            text.push(char::from(b'0' + digit));
            unit /= 10;
        }
    };
    write("", t.year().into(), 1_000);
    for (mark, number) in [("-", t.month()), ("-", t.day()), ("T", t.hour()), (":", t.minute()), (":", t.second())] {
        write(mark, number.into(), 10);
    }
    if fraction != 0 {
        write(".", fraction, 100_000);
    }
    text
}
