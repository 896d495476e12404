//! An alert: what it is, when it counts as resolved, and how two reports of one are merged.

use std::fmt;

use model::{Labels, Timestamp};
use serde::{Deserialize, Serialize};

use crate::pairs;

/// Identifies an alert by its labels: FNV-1a of 64 bits over `name 0xff value 0xff`, as in Prometheus' `model.LabelSet`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Fingerprint(pub u64);

impl Fingerprint {
    /// Of a label set.
    pub fn of(labels: &Labels) -> Self {
        const OFFSET: u64 = 14_695_981_039_346_656_037;
        const PRIME: u64 = 1_099_511_628_211;
        let mut hash = OFFSET;
        let mut add = |bytes: &[u8]| {
            for byte in bytes {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(PRIME);
            }
            hash = (hash ^ 0xff).wrapping_mul(PRIME);
        };
        for label in labels {
            add(label.name.as_bytes());
            add(label.value.as_bytes());
        }
        Fingerprint(hash)
    }

    /// Reads sixteen hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        u64::from_str_radix(text, 16).ok().map(Fingerprint)
    }
}

/// A number, or its digits: as the key of a map within a tagged enum JSON gives the latter.
impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Fingerprint;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of 64 bits")
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Fingerprint, E> {
                Ok(Fingerprint(number))
            }

            fn visit_str<E: serde::de::Error>(self, digits: &str) -> Result<Fingerprint, E> {
                digits.parse().map(Fingerprint).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// One alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// What identifies it.
    #[serde(with = "pairs")]
    pub labels: Labels,
    /// What it says.
    #[serde(with = "pairs")]
    pub annotations: Labels,
    /// Since when it fires.
    pub starts_at: Timestamp,
    /// When it ended, or when it counts as ended unless it is reported again.
    pub ends_at: Timestamp,
    /// When it was last reported.
    pub updated_at: Timestamp,
    /// Where it comes from.
    pub generator_url: String,
    /// The report named no end: `ends_at` is that of `resolve_timeout`.
    pub timeout: bool,
}

impl Alert {
    /// True where it has ended at a time.
    pub fn resolved_at(&self, now: Timestamp) -> bool {
        self.ends_at <= now
    }

    /// Both reports as one (Alertmanager's `types.Alert.Merge`): `self` is what was known. Where the two do not overlap in time
    /// the newer stands alone.
    #[must_use]
    pub fn merged(&self, new: Alert) -> Alert {
        let inside = |at: Timestamp| self.starts_at < at && at < self.ends_at;
        if inside(new.ends_at) || inside(new.starts_at) { self.joined(new) } else { new }
    }

    fn joined(&self, new: Alert) -> Alert {
        let (older, mut merged) =
            if self.updated_at > new.updated_at { (&new, self.clone()) } else { (self, new.clone()) };
        merged.starts_at = merged.starts_at.min(older.starts_at);
        let now = merged.updated_at;
        if merged.resolved_at(now) {
            // Both ended: the later end counts.
            if older.resolved_at(now) && older.ends_at > merged.ends_at {
                merged.ends_at = older.ends_at;
            }
        } else if older.ends_at > merged.ends_at && !older.timeout {
            // An end that was named counts for more than one that follows from silence.
            merged.ends_at = older.ends_at;
        }
        merged
    }
}

/// The order in which alerts stand in a message: by `job`, `instance`, then all labels, fewer first.
pub fn message_order(a: &Labels, b: &Labels) -> std::cmp::Ordering {
    use std::cmp::Ordering::{Equal, Greater, Less};
    for name in ["job", "instance"] {
        match (a.get(name), b.get(name)) {
            (None, None) => {}
            (None, Some(_)) => return Greater,
            (Some(_), None) => return Less,
            (Some(a), Some(b)) if a != b => return a.cmp(b),
            _ => {}
        }
    }
    if a.len() != b.len() {
        return a.len().cmp(&b.len());
    }
    // The first name that only one of them has goes to it.
    for (mine, other) in a.iter().zip(b.iter()) {
        if mine.name != other.name {
            return if mine.name < other.name { Greater } else { Less };
        }
        if mine.value != other.value {
            return mine.value.cmp(other.value);
        }
    }
    Equal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(starts: i64, ends: i64, updated: i64, timeout: bool) -> Alert {
        Alert {
            labels: Labels::from_pairs([("alertname", "A")]),
            annotations: Labels::from_pairs([("updated", updated.to_string())]),
            starts_at: Timestamp(starts),
            ends_at: Timestamp(ends),
            updated_at: Timestamp(updated),
            generator_url: String::new(),
            timeout,
        }
    }

    fn ends(old: Alert, new: Alert) -> (i64, i64) {
        let merged = old.joined(new);
        (merged.starts_at.ms(), merged.ends_at.ms())
    }

    /// Alertmanager's table of `TestAlertMerge`, in minutes.
    #[test]
    fn merging() {
        assert_eq!(ends(alert(-1, 2, 0, true), alert(-2, 3, 1, true)), (-2, 3), "both by timeout: the newer end");
        assert_eq!(ends(alert(-1, 3, 0, false), alert(-1, 2, 1, true)), (-1, 3), "a named end counts for more");
        assert_eq!(ends(alert(-1, 3, 0, true), alert(-1, 0, 1, false)), (-1, 0), "it ended");
        assert_eq!(ends(alert(-1, 0, 0, false), alert(-1, -0, 1, false)), (-1, 0));
        assert_eq!(ends(alert(-9, -2, 0, false), alert(-9, -4, 1, false)), (-9, -2), "both ended: the later end");
        let next = alert(-9, -5, 0, false).merged(alert(-2, 4, 1, false));
        assert_eq!(next.starts_at.ms(), -2, "no overlap: a new alert");
        let same = alert(1, 6, 1, false).merged(alert(3, 8, 4, false));
        assert_eq!((same.starts_at.ms(), same.ends_at.ms()), (1, 8), "the same alert, reported again");
    }

    #[test]
    fn fingerprints_are_prometheus() {
        let of = |pairs: &[(&str, &str)]| Fingerprint::of(&Labels::from_pairs(pairs.iter().copied())).to_string();
        assert_eq!(of(&[]), "cbf29ce484222325");
        assert_eq!(of(&[("name", "garland, briggs"), ("fear", "love is not enough")]), "507a62d79ee76c9a");
        assert_eq!(Fingerprint::parse("cbf29ce484222325"), Some(Fingerprint::of(&Labels::empty())));
    }

    #[test]
    fn order_in_messages() {
        let l = |pairs: &[(&str, &str)]| Labels::from_pairs(pairs.iter().copied());
        let mut labels =
            [l(&[("a", "1")]), l(&[("job", "b")]), l(&[("instance", "x"), ("job", "a")]), l(&[("job", "a")])];
        labels.sort_by(message_order);
        let shown: Vec<String> = labels.iter().map(ToString::to_string).collect();
        assert_eq!(shown, [r#"{instance="x", job="a"}"#, r#"{job="a"}"#, r#"{job="b"}"#, r#"{a="1"}"#]);
    }
}
