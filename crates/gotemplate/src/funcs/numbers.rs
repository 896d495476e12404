//! Numbers for people, shared by Prometheus and Alertmanager (prometheus/common `helpers/templates`).

use crate::fmt::sprintf;
use crate::time::Time;
use crate::value::Value;

/// What both take for a number: numbers, durations in seconds, and strings that are one.
pub(super) fn to_float(value: &Value) -> Result<f64, String> {
    use crate::types::{IntKind, UintKind};
    match value {
        Value::Float(v) => Ok(*v),
        Value::Int(v, IntKind::Int | IntKind::Int64) => Ok(*v as f64),
        Value::Uint(v, UintKind::Uint | UintKind::Uint64) => Ok(*v as f64),
        Value::Duration(nanos) => Ok(*nanos as f64 / 1e9),
        Value::Str(text) => {
            let text = text.lossy();
            model::float::parse_go(&text)
                .ok_or_else(|| format!("strconv.ParseFloat: parsing {}: invalid syntax", model::float::go_quote(&text)))
        }
        value => Err(format!("can't convert {} to float", value.type_name())),
    }
}

fn four_digits(v: f64) -> String {
    sprintf("%.4g", &[Value::Float(v)])
}

const SMALL: [&str; 8] = ["m", "u", "n", "p", "f", "a", "z", "y"];

/// With SI prefixes: `1234567` as `1.235M`.
pub(super) fn humanize(value: &Value) -> Result<String, String> {
    let mut v = to_float(value)?;
    if v == 0.0 || !v.is_finite() {
        return Ok(four_digits(v));
    }
    let (prefixes, large): (&[&str], bool) =
        if v.abs() >= 1.0 { (&["k", "M", "G", "T", "P", "E", "Z", "Y"], true) } else { (&SMALL, false) };
    let mut prefix = "";
    for next in prefixes {
        if large && v.abs() < 1000.0 || !large && v.abs() >= 1.0 {
            break;
        }
        prefix = next;
        v = if large { v / 1000.0 } else { v * 1000.0 };
    }
    Ok(four_digits(v) + prefix)
}

/// With binary prefixes: `1048576` as `1Mi`.
pub(super) fn humanize_1024(value: &Value) -> Result<String, String> {
    let mut v = to_float(value)?;
    if v.abs() <= 1.0 || !v.is_finite() {
        return Ok(four_digits(v));
    }
    let mut prefix = "";
    for next in ["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"] {
        if v.abs() < 1024.0 {
            break;
        }
        prefix = next;
        v /= 1024.0;
    }
    Ok(four_digits(v) + prefix)
}

/// Seconds as `1d 10h 17m 36s`, or below a second as `899.9ms`.
pub(super) fn humanize_duration(value: &Value) -> Result<String, String> {
    let mut v = to_float(value)?;
    if !v.is_finite() {
        return Ok(four_digits(v));
    }
    if v == 0.0 {
        return Ok(four_digits(v) + "s");
    }
    if v.abs() < 1.0 {
        let mut prefix = "";
        for next in SMALL {
            if v.abs() >= 1.0 {
                break;
            }
            prefix = next;
            v *= 1000.0;
        }
        return Ok(four_digits(v) + prefix + "s");
    }
    let sign = if v < 0.0 { "-" } else { "" };
    let v = v.abs();
    let whole = v as i64;
    let (seconds, minutes, hours, days) = (whole % 60, whole / 60 % 60, whole / 3600 % 24, whole / 86_400);
    Ok(if days != 0 {
        format!("{sign}{days}d {hours}h {minutes}m {seconds}s")
    } else if hours != 0 {
        format!("{sign}{hours}h {minutes}m {seconds}s")
    } else if minutes != 0 {
        format!("{sign}{minutes}m {seconds}s")
    } else {
        format!("{sign}{}s", four_digits(v))
    })
}

/// A ratio as a percentage.
pub(super) fn humanize_percentage(value: &Value) -> Result<String, String> {
    Ok(four_digits(to_float(value)? * 100.0) + "%")
}

/// Seconds since the Unix epoch as a time, to the millisecond.
pub(super) fn to_time(value: &Value) -> Result<Time, String> {
    let v = to_float(value)?;
    if !v.is_finite() {
        return Err("value is NaN or Inf".into());
    }
    let nanos = v * 1e9;
    if nanos > i64::MAX as f64 || nanos < i64::MIN as f64 {
        let shown = crate::fmt::float::format_float(v, b'g', None);
        return Err(format!("{shown} cannot be represented as a nanoseconds timestamp since it overflows int64"));
    }
    let ms = nanos as i64 / 1_000_000;
    Ok(Time::from_unix(ms.div_euclid(1000), ms.rem_euclid(1000) * 1_000_000))
}

/// Seconds since the Unix epoch as text.
pub(super) fn humanize_timestamp(value: &Value) -> Result<String, String> {
    let v = to_float(value)?;
    if !v.is_finite() {
        return Ok(four_digits(v));
    }
    Ok(to_time(value)?.to_string())
}
