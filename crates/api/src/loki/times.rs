//! Times, durations and numbers in parameters, read as Loki reads them (`pkg/loghttp/params.go`).

use model::NanoRange;

use super::answer::LokiError;
use crate::params::{Params, parse_duration_ns};

const SECOND: i64 = 1_000_000_000;
/// What `start` stands for where it is absent: so long before the end.
const DEFAULT_SINCE: i64 = 3600 * SECOND;
/// Points that a series of an answer may have.
const MAX_POINTS: i64 = 11_000;

/// A time in nanoseconds: seconds with a fraction, whole seconds up to ten digits, nanoseconds, or RFC 3339.
pub(crate) fn time(text: &str) -> Result<i64, String> {
    if text.contains('.')
        && let Ok(seconds) = text.parse::<f64>()
        && seconds.is_finite()
    {
        let nanoseconds = (seconds.fract() * 1000.0).round() / 1000.0 * 1e9;
        return Ok((seconds.trunc() as i64).saturating_mul(SECOND).saturating_add(nanoseconds as i64));
    }
    match text.parse::<i64>() {
        Ok(seconds) if text.len() <= 10 => Ok(seconds.saturating_mul(SECOND)),
        Ok(nanoseconds) => Ok(nanoseconds),
        Err(_) => match chrono::DateTime::parse_from_rfc3339(text) {
            Ok(time) => time.timestamp_nanos_opt().ok_or_else(|| format!("the time {text:?} is out of range")),
            Err(_) => {
                let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
                let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
                let problem = if is_number { "value out of range" } else { "invalid syntax" };
                Err(format!("strconv.ParseInt: parsing {}: {problem}", model::float::go_quote(text)))
            }
        },
    }
}

/// A time parameter, or the default where it is absent.
pub(crate) fn time_or(params: &Params, name: &str, default: i64) -> Result<i64, LokiError> {
    match params.get(name) {
        "" => Ok(default),
        text => time(text).map_err(|reason| LokiError::bad(format!("could not parse '{name}' parameter: {reason}"))),
    }
}

/// `start`, `end` and `since` as a span of time, whose end is not part of it.
pub(crate) fn bounds(params: &Params, now: i64) -> Result<NanoRange, LokiError> {
    let end = time_or(params, "end", now)?;
    let since = match params.get("since") {
        "" => DEFAULT_SINCE,
        text => model::duration::parse_duration_ms(text)
            .map_err(|reason| LokiError::bad(format!("could not parse 'since' parameter: {reason}")))?
            .saturating_mul(1_000_000),
    };
    let start = time_or(params, "start", end.min(now).saturating_sub(since))?;
    Ok(NanoRange { start, end })
}

/// The same, and an error where the end is before the start.
pub(crate) fn ordered_bounds(params: &Params, now: i64) -> Result<NanoRange, LokiError> {
    let range = bounds(params, now)?;
    if range.end < range.start {
        return Err(LokiError::bad("end timestamp must not be before or equal to start time"));
    }
    Ok(range)
}

/// A number above zero.
pub(crate) fn positive(params: &Params, name: &str, default: u64) -> Result<u64, LokiError> {
    let text = params.get(name);
    if text.is_empty() {
        return Ok(default);
    }
    let number: i64 = text.parse().map_err(|_| {
        let quoted = model::float::go_quote(text);
        LokiError::bad(format!(
            "could not parse '{name}' parameter: strconv.ParseInt: parsing {quoted}: invalid syntax"
        ))
    })?;
    u64::try_from(number)
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(|| LokiError::bad(format!("{name} must be a positive value")))
}

/// A step in nanoseconds; where it is absent a 250th of the range, in whole seconds.
pub(crate) fn step(params: &Params, range: NanoRange) -> Result<i64, LokiError> {
    let span = range.end.saturating_sub(range.start);
    let step = match params.get("step") {
        "" => (span / 250 / SECOND).max(1) * SECOND,
        text => parse_duration_ns(text).map_err(LokiError::bad)?,
    };
    if step <= 0 {
        let text = "zero or negative query resolution step widths are not accepted. Try a positive integer";
        return Err(LokiError::bad(text));
    }
    if span / step > MAX_POINTS {
        let text = "exceeded maximum resolution of 11,000 points per time series. Try increasing the value of the step \
                    parameter";
        return Err(LokiError::bad(text));
    }
    Ok(step)
}

/// `interval` in nanoseconds; 0 where it is absent.
pub(crate) fn interval(params: &Params) -> Result<i64, LokiError> {
    let interval = match params.get("interval") {
        "" => return Ok(0),
        text => parse_duration_ns(text).map_err(LokiError::bad)?,
    };
    if interval < 0 {
        return Err(LokiError::bad("interval must be >= 0"));
    }
    Ok(interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_600 * SECOND;

    fn params(query: &str) -> Params {
        Params::parse([query.as_bytes()])
    }

    #[test]
    fn times() {
        for (text, at) in [
            ("1700000000", 1_700_000_000 * SECOND),
            ("1700000000.5", 1_700_000_000 * SECOND + SECOND / 2),
            ("1700000000000000017", 1_700_000_000_000_000_017),
            ("2023-11-14T22:13:20Z", 1_700_000_000 * SECOND),
            ("2023-11-14T22:13:20.000000001Z", 1_700_000_000 * SECOND + 1),
            ("0", 0),
            ("-5", -5 * SECOND),
        ] {
            assert_eq!(time(text), Ok(at), "{text}");
        }
        assert_eq!(time("abc").unwrap_err(), "strconv.ParseInt: parsing \"abc\": invalid syntax");
        assert_eq!(
            time("99999999999999999999").unwrap_err(),
            "strconv.ParseInt: parsing \"99999999999999999999\": value out of range"
        );
        for bad in ["", "1.x", "2023-11-14", "NaN", "."] {
            assert!(time(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn spans() {
        let span = |query: &str| bounds(&params(query), NOW).map(|range| (range.start, range.end));
        assert_eq!(span(""), Ok((NOW - 3600 * SECOND, NOW)));
        assert_eq!(span("since=10m"), Ok((NOW - 600 * SECOND, NOW)));
        assert_eq!(span("end=1700000000&since=10m"), Ok((1_699_999_400 * SECOND, 1_700_000_000 * SECOND)));
        assert_eq!(span("end=1700009999&since=10m"), Ok((NOW - 600 * SECOND, 1_700_009_999 * SECOND)));
        assert!(span("since=x").unwrap_err().text.starts_with("could not parse 'since' parameter: "));
        let error = ordered_bounds(&params("start=1700000001&end=1700000000"), NOW).unwrap_err();
        assert_eq!(error.text, "end timestamp must not be before or equal to start time");
    }

    #[test]
    fn numbers_and_steps() {
        assert_eq!(positive(&params(""), "limit", 100), Ok(100));
        assert_eq!(positive(&params("limit=7"), "limit", 100), Ok(7));
        assert_eq!(positive(&params("limit=0"), "limit", 100).unwrap_err().text, "limit must be a positive value");
        assert!(positive(&params("limit=x"), "limit", 100).is_err());
        let range = NanoRange { start: 0, end: 600 * SECOND };
        assert_eq!(step(&params(""), range), Ok(2 * SECOND));
        assert_eq!(step(&params("step=1m"), range), Ok(60 * SECOND));
        assert_eq!(step(&params("step=0.5"), range), Ok(SECOND / 2));
        assert!(step(&params("step=0.01"), range).unwrap_err().text.starts_with("exceeded maximum resolution"));
        assert!(step(&params("step=0"), range).is_err() && step(&params("step=x"), range).is_err());
        assert_eq!((interval(&params("")), interval(&params("interval=1s"))), (Ok(0), Ok(SECOND)));
    }
}
