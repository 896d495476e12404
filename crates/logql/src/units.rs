//! Numbers, durations and sizes as LogQL and the values of labels write them, with the errors that Go's parsers give.

pub(crate) use gotemplate::time::duration::seconds;
use model::duration::parse_duration_ms;
use model::float::{go_quote, parse_go};

const NANOS_PER_MS: i64 = 1_000_000;

/// A duration of the query text: Prometheus' form, or Go's (`1.5h`, `-5m`, `10us`). Nanoseconds.
pub(crate) fn duration_token(text: &str) -> Option<i64> {
    match parse_duration_ms(text) {
        Ok(ms) => Some(ms * NANOS_PER_MS),
        Err(_) => gotemplate::time::duration::parse(text),
    }
}

/// The value of a label as a number (Go's `strconv.ParseFloat`).
pub(crate) fn number(text: &str) -> Result<f64, String> {
    let value = parse_go(text).or_else(|| hexadecimal(text));
    match value {
        Some(value) if value.is_infinite() && text.bytes().any(|b| b.is_ascii_digit()) => {
            Err(format!("strconv.ParseFloat: parsing {}: value out of range", go_quote(text)))
        }
        Some(value) => Ok(value),
        None => Err(format!("strconv.ParseFloat: parsing {}: invalid syntax", go_quote(text))),
    }
}

/// Go's hexadecimal floats, whose exponent is not optional: `0x1p-2`.
fn hexadecimal(text: &str) -> Option<f64> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'-' => (-1.0, &text[1..]),
        b'+' => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    let rest = rest.strip_prefix("0x").or_else(|| rest.strip_prefix("0X"))?;
    let (mantissa, exponent) = rest.split_once(['p', 'P'])?;
    let exponent: i32 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.len() + fraction.len() == 0 || whole.len() + fraction.len() > 13 {
        return None;
    }
    let digits = u64::from_str_radix(&format!("{whole}{fraction}"), 16).ok()?;
    Some(sign * digits as f64 * 2_f64.powi(exponent - 4 * fraction.len() as i32))
}

/// The value of a label as nanoseconds (Go's `time.ParseDuration`).
pub(crate) fn duration(text: &str) -> Result<i64, String> {
    gotemplate::time::duration::parse(text).ok_or_else(|| {
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
        let (number, rest) = unsigned.split_at(end);
        let unit_end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let unit = &rest[..unit_end];
        let known = matches!(unit, "ns" | "us" | "\u{b5}s" | "\u{3bc}s" | "ms" | "s" | "m" | "h");
        let has_digit = number.bytes().any(|b| b.is_ascii_digit());
        match (has_digit, unit, known) {
            (true, "", _) if number.matches('.').count() < 2 => {
                format!("time: missing unit in duration {}", go_quote(text))
            }
            (true, unit, false) if !unit.is_empty() => {
                format!("time: unknown unit {} in duration {}", go_quote(unit), go_quote(text))
            }
            _ => format!("time: invalid duration {}", go_quote(text)),
        }
    })
}

/// A size as bytes (dustin/go-humanize `ParseBytes`).
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let is_number = |c: char| c.is_numeric() || c == '.' || c == ',';
    let digits = text.find(|c: char| !is_number(c)).unwrap_or(text.len());
    let figures = text[..digits].replace(',', "");
    let value = number(&figures)?;
    let unit = text[digits..].trim().to_lowercase();
    let scale = gotemplate::size::unit(&unit).ok_or_else(|| format!("unhandled size name: {unit}"))?;
    let value = value * scale as f64;
    if value >= u64::MAX as f64 {
        return Err(format!("too large: {text}"));
    }
    Ok(value as u64)
}

/// Bytes as go-humanize's `Bytes` writes them, without the blank: `1.0kB`, `82MB`.
pub(crate) fn format_bytes(bytes: u64) -> String {
    const NAMES: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 10 {
        return format!("{bytes}B");
    }
    let exponent = ((bytes as f64).ln() / 1000_f64.ln()).floor();
    let value = (bytes as f64 / 1000_f64.powf(exponent) * 10.0 + 0.5).floor() / 10.0;
    let name = NAMES[(exponent as usize).min(NAMES.len() - 1)];
    if value < 10.0 { format!("{value:.1}{name}") } else { format!("{value:.0}{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_with_gos_errors() {
        assert_eq!(number("1e3"), Ok(1000.0));
        assert_eq!(number("0x1p-2"), Ok(0.25));
        assert_eq!(number("0x10").unwrap_err(), "strconv.ParseFloat: parsing \"0x10\": invalid syntax");
        assert_eq!(number("1e999").unwrap_err(), "strconv.ParseFloat: parsing \"1e999\": value out of range");
        assert_eq!(duration("1m30s"), Ok(90_000_000_000));
        assert_eq!(duration("bad").unwrap_err(), "time: invalid duration \"bad\"");
        assert_eq!(duration("5").unwrap_err(), "time: missing unit in duration \"5\"");
        assert_eq!(duration("5x").unwrap_err(), "time: unknown unit \"x\" in duration \"5x\"");
        assert_eq!(bytes("1.5 KiB"), Ok(1536));
        assert_eq!(bytes("x").unwrap_err(), "strconv.ParseFloat: parsing \"\": invalid syntax");
        assert_eq!(bytes("10 parsec").unwrap_err(), "unhandled size name: parsec");
    }

    #[test]
    fn sizes_are_written() {
        for (size, text) in [
            (9, "9B"),
            (10, "10B"),
            (1000, "1.0kB"),
            (1024, "1.0kB"),
            (1_500_000, "1.5MB"),
            (20_000, "20kB"),
            (u64::MAX, "18EB"),
        ] {
            assert_eq!(format_bytes(size), text);
        }
    }
}
