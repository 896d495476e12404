//! Times as RFC 3339 text, the way Go marshals them.

use chrono::{DateTime, SecondsFormat, Utc};
use model::Timestamp;

/// Go's zero time, which stands for "never".
const NEVER: &str = "0001-01-01T00:00:00Z";

/// `2026-01-02T03:04:05.678Z`, without trailing zeros.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    let Some(time) = DateTime::<Utc>::from_timestamp_millis(at.ms()) else { return NEVER.to_owned() };
    if at.ms() % 1000 == 0 {
        return time.to_rfc3339_opts(SecondsFormat::Secs, true);
    }
    let text = time.to_rfc3339_opts(SecondsFormat::Millis, true);
    format!("{}Z", text.trim_end_matches('Z').trim_end_matches('0'))
}

/// The same, where nothing has happened yet Go's zero time.
pub(crate) fn rfc3339_or_never(at: Option<Timestamp>) -> String {
    at.map_or_else(|| NEVER.to_owned(), rfc3339)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_go_writes() {
        assert_eq!(rfc3339(Timestamp(1_435_781_451_781)), "2015-07-01T20:10:51.781Z");
        assert_eq!(rfc3339(Timestamp(1_435_781_451_700)), "2015-07-01T20:10:51.7Z");
        assert_eq!(rfc3339(Timestamp(1_435_781_460_000)), "2015-07-01T20:11:00Z");
        assert_eq!(rfc3339_or_never(None), NEVER);
        assert_eq!(rfc3339(Timestamp(i64::MAX)), NEVER);
    }
}
