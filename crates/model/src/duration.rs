//! Prometheus' duration text: `1h30m`, `15s`, `250ms`, `2w`.

use thiserror::Error;

/// Why a text is not a duration.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum DurationError {
    /// Not of the form `1h30m`.
    #[error("not a valid duration string: {0:?}; write it as 15s, 5m, 1h30m, 1d, 2w or 1y")]
    Syntax(String),
    /// More than 2^63 nanoseconds.
    #[error("duration out of range: {0:?}")]
    OutOfRange(String),
}

const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 24 * 3600 * 1000),
    ("w", 7 * 24 * 3600 * 1000),
    ("d", 24 * 3600 * 1000),
    ("h", 3600 * 1000),
    ("m", 60 * 1000),
    ("s", 1000),
    ("ms", 1),
];

/// Reads a duration as milliseconds. Units stand in falling order, each at most once; a bare `0` is allowed.
pub fn parse_duration_ms(text: &str) -> Result<i64, DurationError> {
    let syntax = || DurationError::Syntax(text.to_owned());
    if text == "0" {
        return Ok(0);
    }
    let mut rest = text;
    let mut total: i64 = 0;
    let mut next_unit = 0;
    if rest.is_empty() {
        return Err(syntax());
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let letters = rest[digits..].bytes().take_while(u8::is_ascii_alphabetic).count();
        if digits == 0 || letters == 0 {
            return Err(syntax());
        }
        let unit = &rest[digits..digits + letters];
        let position = UNITS[next_unit..].iter().position(|(name, _)| *name == unit).ok_or_else(syntax)? + next_unit;
        let count: i64 = rest[..digits].parse().map_err(|_| DurationError::OutOfRange(text.to_owned()))?;
        total = count
            .checked_mul(UNITS[position].1)
            .and_then(|part| total.checked_add(part))
            .filter(|sum| sum.checked_mul(1_000_000).is_some())
            .ok_or_else(|| DurationError::OutOfRange(text.to_owned()))?;
        next_unit = position + 1;
        rest = &rest[digits + letters..];
    }
    Ok(total)
}

/// Writes milliseconds as Prometheus does: years and weeks only where they divide the rest evenly.
pub fn format_duration_ms(ms: i64) -> String {
    if ms == 0 {
        return "0s".into();
    }
    let mut out = String::new();
    if ms < 0 {
        out.push('-');
    }
    let mut rest = ms.unsigned_abs();
    for (name, size) in UNITS {
        let size = size as u64;
        let exact_only = matches!(name, "y" | "w");
        if exact_only && !rest.is_multiple_of(size) {
            continue;
        }
        if rest / size > 0 {
            out.push_str(&format!("{}{name}", rest / size));
            rest %= size;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        for (text, ms, back) in [
            ("1h30m", 5_400_000, "1h30m"),
            ("15s", 15_000, "15s"),
            ("250ms", 250, "250ms"),
            ("2w", 1_209_600_000, "2w"),
            ("1y", 31_536_000_000, "1y"),
            ("90m", 5_400_000, "1h30m"),
            ("8d", 691_200_000, "8d"),
            ("0", 0, "0s"),
            ("1d12h", 129_600_000, "1d12h"),
        ] {
            assert_eq!(parse_duration_ms(text), Ok(ms), "{text}");
            assert_eq!(format_duration_ms(ms), back);
        }
        for bad in ["", "1", "s", "1x", "1s1h", "1.5h", "-1s", "1h1h", " 1s"] {
            assert!(parse_duration_ms(bad).is_err(), "{bad:?}");
        }
        assert!(matches!(parse_duration_ms("294y"), Err(DurationError::OutOfRange(_))));
    }
}
