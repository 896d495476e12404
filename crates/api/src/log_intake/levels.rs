//! The level of an entry, found as Loki's distributor finds it (`pkg/distributor/field_detection.go`): a label or structured
//! metadata under one of some names, OpenTelemetry's severity number, a field of a JSON or logfmt line, a word of the line.

use std::borrow::Cow;
use std::ops::ControlFlow;

use logfields::{JsonError, JsonKind, MAX_NESTING, json_object, pairs};

/// The name under which the level is kept.
pub(crate) const DETECTED_LEVEL: &str = "detected_level";
const UNKNOWN: &str = "unknown";
const SEVERITY_NUMBER: &str = "severity_number";

/// One of the known levels, whatever its case and form.
fn known(text: &str) -> Option<&'static str> {
    const FORMS: [(&str, &str); 14] = [
        ("info", "info"),
        ("error", "error"),
        ("warn", "warn"),
        ("debug", "debug"),
        ("warning", "warn"),
        ("trace", "trace"),
        ("critical", "critical"),
        ("fatal", "fatal"),
        ("err", "error"),
        ("inf", "info"),
        ("information", "info"),
        ("wrn", "warn"),
        ("dbg", "debug"),
        ("trc", "trace"),
    ];
    FORMS.iter().find(|(form, _)| text.eq_ignore_ascii_case(form)).map(|(_, level)| *level)
}

/// A level in its usual form; what is none stays as it is.
pub(crate) fn normal(text: &str) -> Cow<'_, str> {
    known(text).map_or(Cow::Borrowed(text), Cow::Borrowed)
}

/// The value of the first of `names` that is there.
fn first<'a>(names: &[String], get: impl Fn(&str) -> Option<&'a str>) -> Option<&'a str> {
    names.iter().find_map(|name| get(name))
}

/// The level that the labels of a stream give to all of its entries.
pub(crate) fn of_labels<'a>(names: &[String], get: impl Fn(&str) -> Option<&'a str>) -> Option<String> {
    first(names, get).map(|level| normal(level).into_owned())
}

/// The level of an entry whose stream gives none.
pub(crate) fn of_entry<'a>(names: &[String], metadata: &'a [(&'a str, &'a str)], line: &[u8]) -> Cow<'a, str> {
    let of = |name: &str| metadata.iter().find(|(n, _)| *n == name).map(|(_, value)| *value);
    if !metadata.is_empty() {
        if let Some(level) = first(names, of) {
            return normal(level);
        }
        if let Some(number) = of(SEVERITY_NUMBER).filter(|number| !number.is_empty()) {
            return Cow::Borrowed(of_number(number));
        }
    }
    Cow::Borrowed(of_line(names, line))
}

/// OpenTelemetry's severity numbers come in fours.
fn of_number(text: &str) -> &'static str {
    match text.parse::<i64>() {
        Err(_) => "info",
        Ok(..=0 | 25..) => UNKNOWN,
        Ok(1..=4) => "trace",
        Ok(5..=8) => "debug",
        Ok(9..=12) => "info",
        Ok(13..=16) => "warn",
        Ok(17..=20) => "error",
        Ok(21..=24) => "fatal",
    }
}

fn of_line(names: &[String], line: &[u8]) -> &'static str {
    let field = match std::str::from_utf8(line) {
        Ok(text) if is_object(text) => of_json(names, text.trim(), 0),
        Ok(text) if text.contains('=') => of_logfmt(names, text),
        _ => None,
    };
    field.unwrap_or_else(|| of_words(line))
}

fn is_object(text: &str) -> bool {
    let text = text.trim();
    text.starts_with('{') && text.ends_with('}')
}

/// The first text under one of the names, within nested objects too.
fn of_json(names: &[String], text: &str, depth: usize) -> Option<&'static str> {
    let mut found = None;
    // What is no JSON is searched for words.
    let _ = json_object::<JsonError>(text, |key, value| {
        match value.kind {
            JsonKind::String if names.iter().any(|name| name == key) => {
                found = Some(known(value.raw));
                return Ok(ControlFlow::Break(()));
            }
            JsonKind::Object if depth < MAX_NESTING => {
                if let Some(level) = of_json(names, value.raw, depth + 1) {
                    found = Some(Some(level));
                    return Ok(ControlFlow::Break(()));
                }
            }
            _ => {}
        }
        Ok(ControlFlow::Continue(()))
    });
    found.flatten()
}

/// The value of the pair whose name stands first among the names.
fn of_logfmt(names: &[String], text: &str) -> Option<&'static str> {
    let mut best: Option<(usize, Option<&'static str>)> = None;
    let mut buffer = String::new();
    let mut pairs = pairs(text);
    loop {
        match pairs.next_pair(&mut buffer) {
            Ok(None) => break,
            Err(_) => {}
            Ok(Some((name, value))) => {
                // Names that no level field resembles are the rule: their first letters tell.
                let rank = match name.as_bytes().first() {
                    Some(b'l' | b'L' | b's' | b'S') => names.iter().position(|n| n.eq_ignore_ascii_case(name)),
                    _ => names.iter().position(|n| !is_usual(n) && n.eq_ignore_ascii_case(name)),
                };
                if let Some(rank) = rank
                    && best.is_none_or(|(at, _)| rank < at)
                {
                    best = Some((rank, known(value)));
                    if rank == 0 {
                        break;
                    }
                }
            }
        }
    }
    best.and_then(|(_, level)| level)
}

fn is_usual(name: &str) -> bool {
    matches!(name.as_bytes().first(), Some(b'l' | b'L' | b's' | b'S'))
}

/// The level of a line without fields, by the words in it; of several the one that stands first here.
fn of_words(line: &[u8]) -> &'static str {
    let (mut error, mut warn, mut critical, mut debug) = (false, false, false, false);
    for at in memchr::memchr3_iter(b'n', b'N', b'r', line).chain(memchr::memchr3_iter(b'R', b'b', b'B', line)) {
        let from = &line[at.saturating_sub(1)..];
        match line[at] {
            // `i[n]fo`, and the second letter of nothing else.
            b'n' | b'N' if is_word(from, &["info"]) => return "info",
            b'n' | b'N' => {}
            b'r' | b'R' if is_word(from, &["err:", "error]", "err]"]) => {
                error |= from[3] == b':' || line.get(at.wrapping_sub(2)) == Some(&b'[');
            }
            b'r' | b'R' if is_word(from, &["critical:", "critical]"]) => {
                critical |= from[8] == b':' || line.get(at.wrapping_sub(2)) == Some(&b'[');
            }
            b'r' | b'R' => {
                let from = &line[at.saturating_sub(2)..];
                if is_word(from, &["warning", "warn:"]) {
                    warn = true;
                } else if is_word(from, &["warn]"]) {
                    warn |= line.get(at.wrapping_sub(3)) == Some(&b'[');
                }
            }
            _ => debug |= is_word(&line[at.saturating_sub(2)..], &["debug"]),
        }
    }
    match (error, warn, critical, debug) {
        (true, ..) => "error",
        (_, true, ..) => "warn",
        (_, _, true, _) => "critical",
        (_, _, _, true) => "debug",
        _ => UNKNOWN,
    }
}

/// True where the text begins with one of some words, all in lower or all in upper case.
fn is_word(text: &[u8], words: &[&str]) -> bool {
    words.iter().any(|word| {
        let Some(begin) = text.get(..word.len()) else { return false };
        begin == word.as_bytes() || begin.iter().zip(word.bytes()).all(|(a, b)| *a == b.to_ascii_uppercase())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        config::LokiLimits::default().log_level_fields
    }

    #[test]
    fn lines_tell_their_level() {
        for (line, level) in [
            (r#"{"msg":"x","level":"WARNING"}"#, "warn"),
            (r#" {"a":{"severity":"crit"},"b":1} "#, "unknown"),
            (r#"{"a":{"severity":"critical"},"level":"info"}"#, "critical"),
            (r#"{"level":3,"lvl":"dbg"}"#, "debug"),
            (r#"{"level":"odd","m":"an [ERROR] here"}"#, "error"),
            ("ts=1 lvl=trc msg=x", "trace"),
            ("severity=err level=info", "info"),
            ("LEVEL=Fatal x=\"unclosed", "fatal"),
            ("a=b nothing", "unknown"),
            ("2024 INFO: started", "info"),
            ("an error happened", "unknown"),
            ("err: no such file", "error"),
            ("[error] x", "error"),
            ("error] x", "unknown"),
            ("this is a warning", "warn"),
            ("[WARN] x", "warn"),
            ("CRITICAL: fire", "critical"),
            ("debugging", "debug"),
            ("Debug", "unknown"),
            ("debug: then info", "info"),
            ("[ERR] debug warning", "error"),
            ("", "unknown"),
            ("r", "unknown"),
            ("b", "unknown"),
        ] {
            assert_eq!(of_line(&names(), line.as_bytes()), level, "{line}");
        }
        assert_eq!(of_line(&names(), b"\xff err: \xfe"), "error");
    }

    #[test]
    fn metadata_comes_before_the_line() {
        let of = |metadata: &[(&str, &str)], line: &str| of_entry(&names(), metadata, line.as_bytes()).into_owned();
        assert_eq!(of(&[("severity_text", "Error")], "level=info"), "error");
        assert_eq!(of(&[("level", "notice")], "level=info"), "notice");
        for (number, level) in [("0", "unknown"), ("1", "trace"), ("8", "debug"), ("9", "info"), ("16", "warn")] {
            assert_eq!(of(&[("severity_number", number)], "level=error"), level);
        }
        for (number, level) in [("17", "error"), ("24", "fatal"), ("25", "unknown"), ("x", "info")] {
            assert_eq!(of(&[("severity_number", number)], ""), level);
        }
        assert_eq!(of(&[("other", "x")], "level=error"), "error");
        assert_eq!(of_labels(&names(), |name| (name == "lvl").then_some("ERR")), Some("error".to_owned()));
        assert_eq!(of_labels(&names(), |_| None), None);
    }
}
