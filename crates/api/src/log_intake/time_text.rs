//! Nanoseconds as RFC 3339 text.

use chrono::{DateTime, SecondsFormat, Utc};

/// `2026-01-02T03:04:05Z`, as Loki writes the times of refused entries.
pub(crate) fn seconds(nanoseconds: i64) -> String {
    DateTime::<Utc>::from_timestamp_nanos(nanoseconds).to_rfc3339_opts(SecondsFormat::Secs, true)
}
