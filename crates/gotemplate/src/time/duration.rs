//! `time.Duration`: nanoseconds that print as `1h15m30.918s`.

/// Writes nanoseconds as Go's `Duration.String`.
pub fn text(nanos: i64) -> String {
    if nanos == 0 {
        return "0s".into();
    }
    let sign = if nanos < 0 { "-" } else { "" };
    let rest = nanos.unsigned_abs();
    if rest < 1_000_000_000 {
        let (unit, digits) = match rest {
            0..1_000 => ("ns", 0),
            1_000..1_000_000 => ("\u{b5}s", 3),
            _ => ("ms", 6),
        };
        return format!("{sign}{}{unit}", decimal(rest, digits));
    }
    let seconds = rest / 1_000_000_000;
    let tail = decimal(seconds % 60 * 1_000_000_000 + rest % 1_000_000_000, 9);
    match (seconds / 3600, seconds / 60 % 60) {
        (0, 0) => format!("{sign}{tail}s"),
        (0, minutes) => format!("{sign}{minutes}m{tail}s"),
        (hours, minutes) => format!("{sign}{hours}h{minutes}m{tail}s"),
    }
}

/// `value / 10^digits` without zeros at the end.
fn decimal(value: u64, digits: usize) -> String {
    let scale = 10u64.pow(digits as u32);
    let fraction = value % scale;
    if fraction == 0 {
        return (value / scale).to_string();
    }
    let fraction = format!("{fraction:0digits$}");
    format!("{}.{}", value / scale, fraction.trim_end_matches('0'))
}

/// Reads what Go's `time.ParseDuration` reads: `1h15m`, `-1.5h`, `300ms`.
pub fn parse(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(end);
        let end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, next) = tail.split_at(end);
        let scale: i128 = match unit {
            "ns" => 1,
            "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
            return None;
        }
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse::<i64>().ok()?.into() };
        total += whole * scale;
        if !fraction.is_empty() {
            let digits = &fraction[..fraction.len().min(18)];
            total += digits.parse::<i128>().ok()? * scale / 10i128.pow(digits.len() as u32);
        }
        rest = next;
    }
    i64::try_from(if negative { -total } else { total }).ok()
}

/// Rounds to a multiple of `unit`, halves away from zero.
pub(crate) fn round(nanos: i64, unit: i64) -> i64 {
    if unit <= 0 {
        return nanos;
    }
    let rest = nanos % unit;
    let down = nanos - rest;
    if rest.unsigned_abs() >= unit.unsigned_abs() - rest.unsigned_abs() {
        down.saturating_add(if nanos < 0 { -unit } else { unit })
    } else {
        down
    }
}

/// Nanoseconds as seconds (Go's `Duration.Seconds`).
pub fn seconds(nanos: i64) -> f64 {
    (nanos / 1_000_000_000) as f64 + (nanos % 1_000_000_000) as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_and_reads_as_go() {
        for (nanos, shown) in [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1\u{b5}s"),
            (2_200_000, "2.2ms"),
            (3_300_000_000, "3.3s"),
            (4 * 60_000_000_000 + 5_001_000_000, "4m5.001s"),
            (3_600_000_000_000, "1h0m0s"),
            (-90_000_000_000, "-1m30s"),
            (i64::MIN, "-2562047h47m16.854775808s"),
        ] {
            assert_eq!(text(nanos), shown);
            assert_eq!(parse(shown), Some(nanos), "{shown}");
        }
        assert_eq!(parse("1.5h"), Some(5_400_000_000_000));
        for bad in ["", "-", "1", "1x", ".s", "1..2s"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        assert_eq!(round(1_500, 1_000), 2_000);
        assert_eq!(round(-1_499, 1_000), -1_000);
    }
}
