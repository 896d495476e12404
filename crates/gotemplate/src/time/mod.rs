//! Go's `time.Time` and `time.Duration` with what templates use of them: layouts, arithmetic, methods.

pub mod duration;
mod layout;
pub(crate) mod methods;
mod read;

use std::fmt;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Offset, TimeZone, Timelike};

pub use read::parse;

/// A time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// UTC; also what stands for Go's `Local`, because a server's templates must not depend on where it runs.
    Utc,
    /// A zone of the time zone database.
    Named(chrono_tz::Tz),
    /// Seconds east of UTC, and an abbreviation of up to five letters that may be empty.
    Fixed(i32, [u8; 5]),
}

impl Zone {
    /// A zone by its name as Go's `time.LoadLocation` takes it.
    pub fn load(name: &str) -> Result<Zone, String> {
        match name {
            "" | "UTC" | "Local" => Ok(Zone::Utc),
            name => name.parse().map(Zone::Named).map_err(|_| format!("unknown time zone {name}")),
        }
    }

    /// Seconds east of UTC and the abbreviation, at a time.
    fn at(self, utc: NaiveDateTime) -> (i32, String) {
        match self {
            Zone::Utc => (0, "UTC".into()),
            Zone::Fixed(offset, name) => (offset, name.iter().filter(|b| **b != 0).map(|b| *b as char).collect()),
            Zone::Named(zone) => {
                let offset = zone.offset_from_utc_datetime(&utc);
                (offset.fix().local_minus_utc(), offset.to_string())
            }
        }
    }
}

/// A point in time with nanoseconds, in a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    seconds: i64,
    nanos: u32,
    zone: Zone,
}

/// The time's parts in its zone.
pub(crate) struct Parts {
    pub local: NaiveDateTime,
    pub offset: i32,
    pub abbreviation: String,
}

/// Years that can be computed with; others are held at the ends.
const MAX_SECONDS: i64 = 8_000_000_000_000;

impl Time {
    /// Go's zero time: the first of January of the year 1.
    pub const ZERO: Time = Time { seconds: -62_135_596_800, nanos: 0, zone: Zone::Utc };

    /// Seconds since the Unix epoch and nanoseconds beyond them, in UTC.
    pub fn from_unix(seconds: i64, nanos: i64) -> Time {
        let carry = nanos.div_euclid(1_000_000_000);
        let seconds = seconds.saturating_add(carry).clamp(-MAX_SECONDS, MAX_SECONDS);
        Time { seconds, nanos: nanos.rem_euclid(1_000_000_000) as u32, zone: Zone::Utc }
    }

    /// Nanoseconds since the Unix epoch, in UTC.
    pub fn from_nanos(nanos: i64) -> Time {
        Time::from_unix(0, nanos)
    }

    /// A time of our own clock, in UTC.
    pub fn from_timestamp(time: model::Timestamp) -> Time {
        Time::from_unix(time.ms().div_euclid(1000), time.ms().rem_euclid(1000) * 1_000_000)
    }

    /// Reads RFC 3339.
    pub fn parse_rfc3339(text: &str) -> Option<Time> {
        let parsed = DateTime::parse_from_rfc3339(text).ok()?;
        let offset = parsed.offset().local_minus_utc();
        let zone = if offset == 0 { Zone::Utc } else { Zone::Fixed(offset, [0; 5]) };
        Some(Time::from_unix(parsed.timestamp(), parsed.timestamp_subsec_nanos().into()).in_zone(zone))
    }

    /// The same point in time in another zone.
    #[must_use]
    pub fn in_zone(self, zone: Zone) -> Time {
        Time { zone, ..self }
    }

    /// Its zone.
    pub fn zone(self) -> Zone {
        self.zone
    }

    /// Seconds since the Unix epoch.
    pub fn unix(self) -> i64 {
        self.seconds
    }

    /// Nanoseconds of the second.
    pub fn subsec_nanos(self) -> u32 {
        self.nanos
    }

    /// Nanoseconds since the Unix epoch; wraps outside of the years 1678 to 2262, as Go's does.
    pub fn unix_nanos(self) -> i64 {
        self.seconds.wrapping_mul(1_000_000_000).wrapping_add(self.nanos.into())
    }

    /// Nanoseconds since `earlier`, held at the ends of the range.
    pub fn since(self, earlier: Time) -> i64 {
        let nanos = i128::from(self.seconds - earlier.seconds) * 1_000_000_000 + i128::from(self.nanos)
            - i128::from(earlier.nanos);
        i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })
    }

    /// This time moved by nanoseconds.
    #[must_use]
    pub fn plus(self, nanos: i64) -> Time {
        let total = i64::from(self.nanos) + nanos.rem_euclid(1_000_000_000);
        Time::from_unix(self.seconds + nanos.div_euclid(1_000_000_000), total).in_zone(self.zone)
    }

    pub(crate) fn is_before(self, other: Time) -> bool {
        (self.seconds, self.nanos) < (other.seconds, other.nanos)
    }

    pub(crate) fn parts(self) -> Parts {
        let utc = DateTime::from_timestamp(self.seconds, self.nanos)
            .expect("the seconds are held within chrono's range")
            .naive_utc();
        let (offset, abbreviation) = self.zone.at(utc);
        let local = utc.checked_add_signed(chrono::TimeDelta::seconds(offset.into())).unwrap_or(utc);
        Parts { local, offset, abbreviation }
    }

    /// The local time in a zone; of two the first, and where the clocks jump over it the time that many seconds later.
    pub(crate) fn from_local(local: NaiveDateTime, zone: Zone) -> Time {
        let guess = local.and_utc().timestamp();
        let offset_at = |seconds: i64| {
            let utc = DateTime::from_timestamp(seconds, 0).map_or(local, |time| time.naive_utc());
            i64::from(zone.at(utc).0)
        };
        // As Go does: try the offset before, and where that does not lead back, the offset found there.
        let mut seconds = guess - offset_at(guess);
        let again = offset_at(seconds);
        if seconds + again != guess {
            seconds = guess - again;
        }
        Time::from_unix(seconds, local.nanosecond().into()).in_zone(zone)
    }

    /// Writes the time by a Go layout (`2006-01-02 15:04:05`).
    pub fn format(self, layout: &str) -> String {
        layout::format(self, layout)
    }

    /// `%#v`.
    pub(crate) fn go_syntax(self) -> String {
        let parts = self.parts();
        let local = parts.local;
        let zone = match self.zone {
            Zone::Utc => "time.UTC".to_owned(),
            Zone::Named(zone) => format!("time.Location({})", model::float::go_quote(zone.name())),
            Zone::Fixed(..) => "time.Location(\"\")".to_owned(),
        };
        format!(
            "time.Date({}, time.{}, {}, {}, {}, {}, {}, {zone})",
            local.year(),
            layout::MONTHS[local.month0() as usize],
            local.day(),
            local.hour(),
            local.minute(),
            local.second(),
            self.nanos,
        )
    }

    /// Years, months and days added, with overflowing months and days carried on.
    #[must_use]
    pub(crate) fn plus_date(self, years: i64, months: i64, days: i64) -> Time {
        let local = self.parts().local;
        let months = (i64::from(local.year()) + years.clamp(-100_000, 100_000)) * 12
            + i64::from(local.month0())
            + months.clamp(-1_000_000, 1_000_000);
        let first = i32::try_from(months.div_euclid(12))
            .ok()
            .and_then(|year| NaiveDate::from_ymd_opt(year, months.rem_euclid(12) as u32 + 1, 1));
        let days = i64::from(local.day0()) + days.clamp(-40_000_000, 40_000_000);
        match first.and_then(|first| first.checked_add_signed(chrono::TimeDelta::days(days))) {
            Some(date) => Time::from_local(date.and_time(local.time()), self.zone),
            None => self,
        }
    }
}

impl fmt::Display for Time {
    /// As Go's `Time.String`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format("2006-01-02 15:04:05.999999999 -0700 MST"))
    }
}
