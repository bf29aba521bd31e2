//! Parsers of durations, sizes, rates and numbers, the same for every setting.

use std::{fmt::Display, ops::RangeInclusive, str::FromStr, time::Duration};

use bytesize::ByteSize;
use jiff::{Span, SpanRelativeTo};

/// Parses a duration of this range in jiff's friendly format, such as `90s`, `2min`, `2m`, `1h 30m` or `12w`; a day has
/// 24 hours. Months and years are rejected because their lengths vary.
pub(super) fn time(text: &str, range: &RangeInclusive<Duration>) -> Option<Duration> {
    let span: Span = text.trim().parse().ok()?;
    let time = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    Duration::try_from(time).ok().filter(|time| range.contains(time))
}

/// Like [`time`], but a bare number means seconds.
pub(super) fn time_or_seconds(text: &str, range: &RangeInclusive<Duration>) -> Option<Duration> {
    let text = text.trim();
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if is_number { time(&format!("{text}s"), range) } else { time(text, range) }
}

/// Parses a size of this range in bytes: `16MiB` (base 1024), `16MB` (base 1000), or a bare number.
pub(super) fn size(text: &str, range: &RangeInclusive<usize>) -> Option<usize> {
    let size: ByteSize = text.trim().parse().ok()?;
    usize::try_from(size.as_u64()).ok().filter(|size| range.contains(size))
}

/// The longest period of a rate.
const MAX_RATE_PERIOD: Duration = Duration::from_hours(1);

/// Parses a number and its period: `600/min`, `600/m`, `600/minute` or `100/10s`.
pub(super) fn rate(text: &str) -> Option<(u32, Duration)> {
    let (number, per) = text.split_once('/')?;
    let per = per.trim();
    let range = Duration::from_secs(1)..=MAX_RATE_PERIOD;
    let per = if per.starts_with(|first: char| first.is_ascii_alphabetic()) {
        time(&format!("1{per}"), &range)
    } else {
        time(per, &range)
    };
    Some((number.trim().parse().ok()?, per?))
}

/// Returns a parser of whole numbers of this range.
pub(super) fn number(range: RangeInclusive<usize>) -> impl Fn(&str) -> Result<usize, String> + Clone {
    whole(range)
}

/// Like [`number`], for any integer type.
pub(super) fn whole<T>(range: RangeInclusive<T>) -> impl Fn(&str) -> Result<T, String> + Clone
where
    T: FromStr + PartialOrd + Display + Clone,
{
    move |text| {
        let number = text.trim().parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| format!("give a whole number from {} to {}", range.start(), range.end()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ANY: RangeInclusive<Duration> = Duration::from_nanos(1)..=Duration::MAX;

    fn seconds(text: &str) -> Option<u64> {
        time(text, &ANY).map(|time| time.as_secs())
    }

    #[test]
    fn a_time_is_read_in_each_of_its_spellings() {
        for (text, expected) in [
            ("30s", 30),
            ("2m", 120),
            ("2min", 120),
            ("2 minutes", 120),
            (" 2min ", 120),
            ("1h 30m", 5_400),
            ("1h30min", 5_400),
            ("1.5h", 5_400),
            ("90d", 90 * 86_400),
            ("12w", 12 * 7 * 86_400),
            ("1d 12h", 36 * 3_600),
            ("36500d", 36_500 * 86_400),
            ("PT90S", 90),
        ] {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
        assert_eq!(time("500ms", &ANY), Some(Duration::from_millis(500)));
        assert_eq!(time_or_seconds("30", &ANY), Some(Duration::from_secs(30)));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "s",
            "-1s",
            "1s ago",
            "0s",
            "0",
            "-0s",
            "NaN",
            "NaNs",
            "infs",
            "1e9s",
            "1y",
            "2mo",
            "1 year",
            "1x",
            "5MiB",
            "1m 1m",
            "m1",
            "1s1",
            "99999999999999999999w",
            "99999999999999999999",
            "9é",
            "+",
            "²s",
            "1/s",
        ] {
            assert_eq!(time(text, &ANY), None, "{text}");
            assert_eq!(time_or_seconds(text, &ANY), None, "{text}");
        }
        assert_eq!(seconds("30"), None, "a number alone has no unit");
    }

    #[test]
    fn a_size_is_read_in_each_of_its_spellings() {
        let any = 1..=usize::MAX / 2;
        for (text, expected) in [
            ("4096", 4_096),
            ("4096b", 4_096),
            ("4096 B", 4_096),
            ("512KiB", 512 << 10),
            ("512kib", 512 << 10),
            ("16 MiB", 16 << 20),
            ("1GiB", 1 << 30),
            ("16KB", 16_000),
            ("16MB", 16_000_000),
            ("1gb", 1_000_000_000),
            ("1.5KiB", 1_536),
        ] {
            assert_eq!(size(text, &any), Some(expected), "{text}");
        }
        for text in [
            "",
            "B",
            "MiB",
            "-1",
            "-1MiB",
            "0",
            "0MiB",
            "NaN",
            "NaNMiB",
            "inf",
            "1e3",
            "30s",
            "5 XB",
            "99999999EiB",
            "é",
            "1MiB1",
        ] {
            assert_eq!(size(text, &any), None, "{text}");
        }
    }

    #[test]
    fn a_rate_is_read_in_each_of_its_spellings() {
        for (text, number, per) in [
            ("50/s", 50, 1),
            ("50/sec", 50, 1),
            ("600/min", 600, 60),
            ("600/m", 600, 60),
            ("600/minute", 600, 60),
            ("600 / min", 600, 60),
            ("10000/h", 10_000, 3_600),
            ("10000/hour", 10_000, 3_600),
            ("100/10s", 100, 10),
        ] {
            assert_eq!(rate(text), Some((number, Duration::from_secs(per))), "{text}");
        }
        for text in [
            "",
            "50",
            "50/",
            "/s",
            "-1/s",
            "1.5/s",
            "50/ms",
            "50/w",
            "50/day",
            "50/2h",
            "50/y",
            "50/0s",
            "50/-1s",
            "50/s/s",
            "NaN/s",
            "99999999999/s",
        ] {
            assert_eq!(rate(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn units_of_one_length_are_the_same(number in 1_u64..1_000_000) {
            let of = |unit: &str| seconds(&format!("{number}{unit}"));
            prop_assert_eq!(of("m"), Some(number * 60));
            prop_assert_eq!(of("m"), of("min"));
            prop_assert_eq!(of("d"), Some(number * 86_400));
            prop_assert_eq!(of(" hours"), of("h"));
        }

        #[test]
        fn what_is_read_lies_in_its_range(text in "\\PC{0,12}|-?[0-9]{1,22}[.,]?[0-9]{0,3} ?[a-zA-Z]{0,8}") {
            let (times, sizes) = (Duration::from_millis(1)..=Duration::from_hours(1), 1_024..=1 << 30);
            prop_assert!(time(&text, &times).is_none_or(|time| times.contains(&time)));
            prop_assert!(time_or_seconds(&text, &times).is_none_or(|time| times.contains(&time)));
            prop_assert!(size(&text, &sizes).is_none_or(|size| sizes.contains(&size)));
            prop_assert!(rate(&text).is_none_or(|(_, per)| per >= Duration::from_secs(1)));
        }

        #[test]
        fn sizes_are_powers_of_their_kind(number in 1_usize..1_000) {
            let of = |unit: &str| size(&format!("{number}{unit}"), &(1..=usize::MAX));
            prop_assert_eq!(of("KiB"), Some(number << 10));
            prop_assert_eq!(of("mb"), Some(number * 1_000_000));
            prop_assert_eq!(of("B"), of(""));
        }
    }
}
