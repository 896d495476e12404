//! Numbers and strings written and read exactly as Go writes and reads them, because every Prometheus format does.

/// Formats as `strconv.FormatFloat(v, 'f', -1, 64)`: shortest text that reads back, never an exponent; `NaN`, `+Inf`, `-Inf`.
pub fn format_f(v: f64) -> String {
    if v.is_nan() {
        "NaN".into()
    } else if v.is_infinite() {
        if v > 0.0 { "+Inf".into() } else { "-Inf".into() }
    } else {
        format!("{v}")
    }
}

/// Formats as `strconv.FormatFloat(v, 'g', -1, 64)`, `fmt`'s `%g` and `%v`: an exponent below 1e-4 and from 1e6 on.
pub fn format_g(v: f64) -> String {
    if !v.is_finite() || v == 0.0 {
        return if v == 0.0 && v.is_sign_negative() { "-0".into() } else { format_f(v) };
    }
    let scientific = format!("{v:e}");
    let (mantissa, exponent) = scientific.split_once('e').expect("{:e} always writes an exponent");
    let exponent: i32 = exponent.parse().expect("{:e} writes a decimal exponent");
    if (-4..6).contains(&exponent) {
        return format!("{v}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// Reads what Go's `strconv.ParseFloat` reads, apart from hexadecimal floats: signs, `Inf`, `Infinity` and `NaN` in any case,
/// underscores only where a base prefix allows them (so: never in decimals).
pub fn parse_go(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let first = unsigned.bytes().next()?;
    if first.is_ascii_digit() || first == b'.' {
        // Rust reads "1." and ".5" as Go does, and refuses a bare ".".
        return text.parse().ok();
    }
    let special = if unsigned.eq_ignore_ascii_case("inf") || unsigned.eq_ignore_ascii_case("infinity") {
        f64::INFINITY
    } else if unsigned.eq_ignore_ascii_case("nan") && unsigned.len() == text.len() {
        f64::NAN
    } else {
        return None;
    };
    Some(if text.starts_with('-') { -special } else { special })
}

/// Quotes as Go's `strconv.Quote`.
pub fn go_quote(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => {
                let _ = write!(out, "\\x{:02x}", c as u32);
            }
            c if c.is_control() || is_unprintable(c) => {
                let code = c as u32;
                let _ = if code < 0x1_0000 { write!(out, "\\u{code:04x}") } else { write!(out, "\\U{code:08x}") };
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Spaces other than U+0020 and format characters, which Go does not count as printable.
fn is_unprintable(c: char) -> bool {
    (c.is_whitespace() && c != ' ')
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e000}'..='\u{f8ff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_as_go() {
        for (v, f, g) in [
            (0.0, "0", "0"),
            (1.0, "1", "1"),
            (0.1, "0.1", "0.1"),
            (1e21, "1000000000000000000000", "1e+21"),
            (1e20, "100000000000000000000", "1e+20"),
            (100_000.0, "100000", "100000"),
            (123_456_789.0, "123456789", "1.23456789e+08"),
            (1.5e-7, "0.00000015", "1.5e-07"),
            (0.0001, "0.0001", "0.0001"),
            (f64::INFINITY, "+Inf", "+Inf"),
            (f64::NEG_INFINITY, "-Inf", "-Inf"),
        ] {
            assert_eq!(format_f(v), f);
            assert_eq!(format_g(v), g);
        }
        assert_eq!(format_f(f64::NAN), "NaN");
    }

    #[test]
    fn parses_as_go() {
        assert_eq!(parse_go("+Inf"), Some(f64::INFINITY));
        assert_eq!(parse_go("-inf"), Some(f64::NEG_INFINITY));
        assert!(parse_go("nan").is_some_and(f64::is_nan));
        assert_eq!(parse_go("1e3"), Some(1000.0));
        for bad in ["", "+", ".", "1_000", "abc", "infin", "--1", "+NaN", "1 "] {
            assert_eq!(parse_go(bad), None, "{bad:?}");
        }
    }
}
