//! Parameters of a request: URL query and form body together, and the formats that Prometheus' API reads in them.

use axum::extract::{FromRequest, Request};
use http::{Method, header};
use model::{Timestamp, duration::parse_duration_ms, float};

use crate::errors::ApiError;

/// The largest form body, in bytes (Go's `ParseForm` stops at 10 MB too).
pub(crate) const MAX_FORM_BYTES: usize = 10 << 20;

/// Earliest time that an absent `start` stands for (Prometheus' `MinTime`), in milliseconds.
pub(crate) const MIN_TIME_MS: i64 = i64::MIN / 1000 * 1000 + 62_135_596_801_000;
/// Latest time that an absent `end` stands for (Prometheus' `MaxTime`), in milliseconds.
pub(crate) const MAX_TIME_MS: i64 = i64::MAX / 1000 * 1000 - 62_135_596_801_000 + 999;
const MIN_TIME_TEXT: &str = "-292273086-05-16T16:47:06Z";
const MAX_TIME_TEXT: &str = "292277025-08-18T07:12:54.999999999Z";

/// Name and value pairs; those of the body stand before those of the URL, as Go's `FormValue` reads them.
#[derive(Clone, Debug, Default)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Reads pairs from `application/x-www-form-urlencoded` texts.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        Params(texts.into_iter().flat_map(form_urlencoded::parse).map(|(n, v)| (n.into(), v.into())).collect())
    }

    /// The first value of a parameter, empty where it is absent.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v)
    }

    /// All values of a parameter.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// A time parameter, or the default where it is absent or empty.
    pub fn time_or(&self, name: &str, default_ms: i64) -> Result<Timestamp, ApiError> {
        match self.get(name) {
            "" => Ok(Timestamp(default_ms)),
            text => parse_time(text)
                .map_err(|e| ApiError::parameter(name, format_args!("invalid time value for '{name}': {e}"))),
        }
    }

    /// The `limit` parameter; 0 for no limit.
    pub fn limit(&self) -> Result<usize, ApiError> {
        let text = self.get("limit");
        if text.is_empty() {
            return Ok(0);
        }
        let limit: i64 = text.parse().map_err(|_| {
            ApiError::parameter("limit", format_args!("strconv.Atoi: parsing {text:?}: invalid syntax"))
        })?;
        usize::try_from(limit).map_err(|_| ApiError::parameter("limit", "limit must be non-negative"))
    }
}

impl<S: Send + Sync> FromRequest<S> for Params {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let in_url = parts.uri.query().unwrap_or("").as_bytes();
        let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
        let is_form = content_type
            .split(';')
            .next()
            .is_some_and(|t| t.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"));
        let has_form = matches!(parts.method, Method::POST | Method::PUT | Method::PATCH);
        if !has_form || !is_form {
            return Ok(Params::parse([in_url]));
        }
        let in_body = axum::body::to_bytes(body, MAX_FORM_BYTES)
            .await
            .map_err(|e| ApiError::bad_data(format!("error parsing form values: {e}")))?;
        Ok(Params::parse([in_body.as_ref(), in_url]))
    }
}

/// Reads Unix seconds with decimals, or RFC 3339, as milliseconds (finer digits are rounded for the former, cut for the latter).
pub fn parse_time(text: &str) -> Result<Timestamp, String> {
    let refuse = || format!("cannot parse {} to a valid timestamp", float::go_quote(text));
    if let Some(seconds) = float::parse_go(text) {
        let ms = seconds.trunc() * 1000.0 + (seconds.fract() * 1000.0).round();
        let representable = ms.is_finite() && ms.abs() < i64::MAX as f64;
        return if representable { Ok(Timestamp(ms as i64)) } else { Err(refuse()) };
    }
    if let Ok(time) = chrono::DateTime::parse_from_rfc3339(text) {
        return Ok(Timestamp(time.timestamp_millis()));
    }
    match text {
        MIN_TIME_TEXT => Ok(Timestamp(MIN_TIME_MS)),
        MAX_TIME_TEXT => Ok(Timestamp(MAX_TIME_MS)),
        _ => Err(refuse()),
    }
}

/// Reads seconds with decimals or a duration such as `5m`, as nanoseconds.
pub fn parse_duration_ns(text: &str) -> Result<i64, String> {
    let quoted = || float::go_quote(text);
    if let Some(seconds) = float::parse_go(text) {
        let ns = seconds * 1e9;
        if !(ns >= i64::MIN as f64 && ns <= i64::MAX as f64) {
            return Err(format!("cannot parse {} to a valid duration. It overflows int64", quoted()));
        }
        return Ok(ns as i64);
    }
    match parse_duration_ms(text) {
        Ok(ms) => Ok(ms.saturating_mul(1_000_000)),
        Err(_) => Err(format!("cannot parse {} to a valid duration", quoted())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, ms) in [
            ("0", 0),
            ("1435781451.781", 1_435_781_451_781),
            ("1435781451", 1_435_781_451_000),
            ("1.0006", 1001),
            ("-1.5", -1500),
            ("1e3", 1_000_000),
            ("2015-07-01T20:10:51.781Z", 1_435_781_451_781),
            ("2015-07-01T20:10:51.7819Z", 1_435_781_451_781),
            ("2015-07-01T22:10:51+02:00", 1_435_781_451_000),
            ("1969-12-31T23:59:59.5Z", -500),
            (MIN_TIME_TEXT, MIN_TIME_MS),
            (MAX_TIME_TEXT, MAX_TIME_MS),
        ] {
            assert_eq!(parse_time(text), Ok(Timestamp(ms)), "{text}");
        }
        for bad in ["", "abc", "30s", "2015-07-01", "NaN", "Inf", "1e400", "1e300", "2015-13-01T00:00:00Z"] {
            assert!(parse_time(bad).is_err(), "{bad:?}");
        }
        assert_eq!(parse_time("foo\"").unwrap_err(), r#"cannot parse "foo\"" to a valid timestamp"#);
    }

    #[test]
    fn durations() {
        for (text, ns) in [
            ("0", 0),
            ("1", 1_000_000_000),
            ("0.5", 500_000_000),
            ("-1", -1_000_000_000),
            ("5m", 300_000_000_000),
            ("1h30m", 5_400_000_000_000),
            ("15ms", 15_000_000),
        ] {
            assert_eq!(parse_duration_ns(text), Ok(ns), "{text}");
        }
        assert!(parse_duration_ns("1e99").unwrap_err().ends_with("It overflows int64"));
        for bad in ["", "abc", "5 m", "1.5h", "NaN"] {
            assert!(parse_duration_ns(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn body_comes_before_url() {
        let params = Params::parse([b"query=a%2Bb&match[]=1".as_slice(), b"query=up&match%5B%5D=2&x=%zz"]);
        assert_eq!(params.get("query"), "a+b");
        assert_eq!(params.all("match[]").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(params.get("absent"), "");
    }
}
