//! Times, sizes and rates have the same spellings in every setting.

use std::time::Duration;

use metrograph::config::{self, Command, Settings, Stop, TokenCommand};

use crate::support::program::{Server, run};

/// Parses a command line with this flag, or returns the reason of the refusal.
fn settings(flag: &str, value: &str) -> Result<Settings, String> {
    match config::from(["metrograph", &format!("{flag}={value}")]) {
        Ok((_, settings)) => Ok(settings),
        Err(Stop::Refused(reason)) => Err(reason),
        Err(Stop::Answered(text)) => panic!("{text}"),
    }
}

/// Returns the lifetime that a token would have.
fn lifetime(value: &str) -> Result<Duration, String> {
    let expires = format!("--expires={value}");
    match config::from(["metrograph", "token", "create", "--name=ci", "--scope=read", &expires]) {
        Ok((Command::Token(TokenCommand::Create(new)), _)) => Ok(new.expires.unwrap().duration()),
        Err(Stop::Refused(reason)) => Err(reason),
        other => panic!("{other:?}"),
    }
}

fn request_timeout(value: &str) -> Result<Duration, String> {
    settings("--request-timeout", value).map(|settings| settings.limits.request_timeout)
}

#[test]
fn a_time_is_written_alike_in_every_setting() {
    for (text, seconds) in
        [("90s", 90), ("2min", 120), ("2m", 120), ("2 minutes", 120), ("1m 30s", 90), ("0.5h", 1_800), ("1h", 3_600)]
    {
        let expected = Duration::from_secs(seconds);
        assert_eq!(request_timeout(text), Ok(expected), "{text}");
        assert_eq!(lifetime(text), Ok(expected), "{text}");
    }
    assert_eq!(request_timeout("500ms"), Ok(Duration::from_millis(500)));
    assert_eq!(request_timeout("45"), Ok(Duration::from_secs(45)), "as before: a bare number is in seconds");
    for (text, days) in [("90d", 90), ("12w", 84), ("1w 1d", 8), ("36500d", 36_500)] {
        assert_eq!(lifetime(text), Ok(Duration::from_hours(24 * days)), "{text}");
    }
}

#[test]
fn a_time_that_makes_no_sense_is_refused_with_an_example() {
    let folder = tempfile::tempdir().unwrap();
    for text in [
        "",
        "0",
        "0s",
        "-1s",
        "1s ago",
        "NaN",
        "infs",
        "1y",
        "1mo",
        "2 fortnights",
        "5MiB",
        "10/s",
        "61m",
        "1d",
        "99999999999999999999w",
    ] {
        assert!(request_timeout(text).is_err(), "{text}");
        run(folder.path(), &[&format!("--request-timeout={text}")], &[]).assert_refused(&["--request-timeout"]);
    }
    for text in ["", "0d", "-1d", "NaN", "1y", "90", "36501d", "1ms", "9é"] {
        assert!(lifetime(text).is_err(), "{text}");
    }
    assert!(request_timeout("soon").unwrap_err().contains("2min"));
    assert!(lifetime("soon").unwrap_err().contains("30min"));
}

#[test]
fn a_size_is_written_alike_in_every_setting() {
    for (text, bytes) in [
        ("4096", 4_096),
        ("4096b", 4_096),
        ("512KiB", 512 << 10),
        ("512kib", 512 << 10),
        ("16 MiB", 16 << 20),
        ("16MB", 16_000_000),
        ("64kb", 64_000),
        ("1GiB", 1 << 30),
        ("1.5MiB", 3 << 19),
    ] {
        assert_eq!(settings("--max-body", text).map(|settings| settings.limits.max_body), Ok(bytes), "{text}");
        assert_eq!(
            settings("--max-answer", text).map(|settings| settings.graphql.limits.max_answer),
            Ok(bytes),
            "{text}"
        );
    }
    for text in ["", "0", "1", "-1MiB", "NaN", "2GiB", "99999999EiB", "16mm", "30s", "16MiB/s"] {
        for flag in ["--max-body", "--max-answer"] {
            let reason = settings(flag, text).unwrap_err();
            assert!(reason.contains(flag), "{text}: {reason}");
            assert!(text.is_empty() || reason.contains("16MiB"), "{text}: {reason}");
        }
    }
}

#[test]
fn a_rate_is_written_in_units_of_time() {
    let rate = |text: &str| settings("--rate-limit", text).map(|settings| settings.limits.rate_limit.0);
    for (text, requests, seconds) in [
        ("50/s", 50, 1),
        ("600/min", 600, 60),
        ("600/m", 600, 60),
        ("600/minute", 600, 60),
        ("10000/h", 10_000, 3_600),
        ("10000/hour", 10_000, 3_600),
        ("100/10s", 100, 10),
    ] {
        let rate = rate(text).unwrap().unwrap();
        assert_eq!((rate.requests.get(), rate.per), (requests, Duration::from_secs(seconds)), "{text}");
    }
    assert_eq!(rate("off"), Ok(None));
    for text in [
        "",
        "0/s",
        "-1/s",
        "1.5/s",
        "NaN/s",
        "50",
        "50/",
        "50/ms",
        "50/w",
        "50/day",
        "50/0s",
        "1000001/s",
        "99999999999/s",
    ] {
        let reason = rate(text).unwrap_err();
        assert!(reason.contains("--rate-limit"), "{text}: {reason}");
    }
}

#[test]
fn variables_take_the_same_spellings() {
    let folder = tempfile::tempdir().unwrap();
    let variables = [
        ("METROGRAPH_LISTEN", "127.0.0.1:0"),
        ("METROGRAPH_REQUEST_TIMEOUT", "2m"),
        ("METROGRAPH_MAX_BODY", "1.5MiB"),
        ("METROGRAPH_RATE_LIMIT", "600/m"),
    ];
    Server::start(folder.path(), &[], &variables).stop();
    for (name, flag) in [("METROGRAPH_REQUEST_TIMEOUT", "--request-timeout"), ("METROGRAPH_MAX_BODY", "--max-body")] {
        run(folder.path(), &[], &[(name, "-1")]).assert_refused(&[flag]);
    }
}
