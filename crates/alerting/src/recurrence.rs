//! Windows of the week in which a silence is in force again and again, by the clock on the wall of a time zone.

use chrono::{DateTime, Datelike, Days, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use model::Timestamp;
use serde::{Deserialize, Serialize};

const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
/// A day behind the week after a day has every window again.
const DAYS_AHEAD: u64 = 9;

/// When a silence recurs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recurrence {
    /// Days on which a window begins: `monday` to `sunday`; every day where none is named.
    #[serde(default)]
    pub weekdays: Vec<String>,
    /// When it begins: `22:00`.
    pub start: String,
    /// When it ends: `06:00`, the next day's where that is not behind `start`; `24:00` is midnight.
    pub end: String,
    /// An IANA name such as `Europe/Berlin`.
    pub time_zone: String,
    /// No window begins at this time or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// A recurrence that was read.
struct Windows {
    days: [bool; 7],
    start: u32,
    /// Minutes after the midnight before the start.
    end: u32,
    zone: Tz,
}

fn minutes(text: &str, most: u32) -> Result<u32, String> {
    let bad = || format!("{text:?} is no time of a day; write it as 22:00");
    let (hours, minutes) = text.split_once(':').ok_or_else(bad)?;
    let two = |part: &str| part.parse::<u32>().ok().filter(|_| part.len() == 2);
    let (hours, minutes) = (two(hours).ok_or_else(bad)?, two(minutes).ok_or_else(bad)?);
    let all = hours * 60 + minutes;
    if minutes < 60 && all <= most { Ok(all) } else { Err(bad()) }
}

impl Recurrence {
    fn read(&self) -> Result<Windows, String> {
        let mut days = [self.weekdays.is_empty(); 7];
        for name in &self.weekdays {
            let day = WEEKDAYS.iter().position(|day| day.eq_ignore_ascii_case(name));
            days[day.ok_or_else(|| format!("{name:?} is no day of the week; write it as monday"))?] = true;
        }
        let zone = self
            .time_zone
            .parse()
            .map_err(|_| format!("{:?} is no time zone; write it as Europe/Berlin or UTC", self.time_zone))?;
        let (start, end) = (minutes(&self.start, 24 * 60 - 1)?, minutes(&self.end, 24 * 60)?);
        Ok(Windows { days, start, end: if end > start { end } else { end + 24 * 60 }, zone })
    }

    /// Whether everything in it can be read, and that some window is still to come.
    pub fn validate(&self, now: Timestamp) -> Result<(), String> {
        self.read()?;
        match self.window(now) {
            Some(_) => Ok(()),
            None => Err("no window is left before its end".to_owned()),
        }
    }

    /// The window that is open at a time or comes next: its first millisecond and the one behind its last.
    pub fn window(&self, at: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let windows = self.read().ok()?;
        let utc = DateTime::<Utc>::from_timestamp_millis(at.ms())?;
        let yesterday = windows.zone.from_utc_datetime(&utc.naive_utc()).date_naive().pred_opt()?;
        let dates = (0..DAYS_AHEAD).filter_map(|days| yesterday.checked_add_days(Days::new(days)));
        let of_days = dates.filter(|date| windows.days[date.weekday().num_days_from_monday() as usize]);
        let mut found = of_days.filter_map(|date| windows.of_day(date)).filter(|(start, end)| at < *end && start < end);
        found.next().filter(|(start, _)| self.until.is_none_or(|until| *start < until))
    }
}

impl Windows {
    fn of_day(&self, date: NaiveDate) -> Option<(Timestamp, Timestamp)> {
        let wall = |minutes: u32| date.and_time(NaiveTime::MIN).checked_add_signed(TimeDelta::minutes(minutes.into()));
        Some((self.instant(wall(self.start)?, false)?, self.instant(wall(self.end)?, true)?))
    }

    /// Of a time that the clock shows twice the first counts for a start and the second for an end; one that it jumps over is the
    /// moment of the jump.
    fn instant(&self, wall: NaiveDateTime, later: bool) -> Option<Timestamp> {
        // No clock jumps further than a day.
        (0..=24 * 60).find_map(|minutes| {
            match self.zone.from_local_datetime(&(wall + TimeDelta::minutes(minutes))) {
                LocalResult::Single(time) => Some(time),
                LocalResult::Ambiguous(first, second) => Some(if later { second } else { first }),
                LocalResult::None => None,
            }
            .map(|time| Timestamp(time.timestamp_millis()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp(DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis())
    }

    fn nightly(weekdays: &[&str], zone: &str) -> Recurrence {
        Recurrence {
            weekdays: weekdays.iter().map(ToString::to_string).collect(),
            start: "22:00".to_owned(),
            end: "02:30".to_owned(),
            time_zone: zone.to_owned(),
            until: None,
        }
    }

    #[test]
    fn windows_follow_the_clock_on_the_wall() {
        let tuesdays = nightly(&["Tuesday"], "Europe/Berlin");
        let window = (at("2026-01-06T21:00:00Z"), at("2026-01-07T01:30:00Z"));
        assert_eq!(tuesdays.window(at("2026-01-01T00:00:00Z")), Some(window));
        assert_eq!(tuesdays.window(at("2026-01-07T01:29:59Z")), Some(window), "it is open");
        let summer = (at("2026-06-30T20:00:00Z"), at("2026-07-01T00:30:00Z"));
        assert_eq!(tuesdays.window(at("2026-06-30T12:00:00Z")), Some(summer));
        // On 2026-03-29 the clock jumps from 02:00 to 03:00: the end is the moment of the jump.
        let daily = nightly(&[], "Europe/Berlin");
        let jump = (at("2026-03-28T21:00:00Z"), at("2026-03-29T01:00:00Z"));
        assert_eq!(daily.window(at("2026-03-28T21:00:00Z")), Some(jump));
        // On 2026-10-25 02:30 comes twice: the window ends at the second.
        let twice = (at("2026-10-24T20:00:00Z"), at("2026-10-25T01:30:00Z"));
        assert_eq!(daily.window(at("2026-10-24T23:00:00Z")), Some(twice));
    }

    #[test]
    fn windows_end() {
        let limited = Recurrence { until: Some(at("2026-01-06T21:00:00Z")), ..nightly(&["tuesday"], "Europe/Berlin") };
        assert_eq!(limited.window(at("2026-01-01T00:00:00Z")), None);
        assert!(limited.validate(at("2026-01-01T00:00:00Z")).is_err());
        let whole = Recurrence { start: "00:00".to_owned(), end: "24:00".to_owned(), ..nightly(&[], "UTC") };
        assert_eq!(
            whole.window(at("2026-01-02T00:00:00Z")),
            Some((at("2026-01-02T00:00:00Z"), at("2026-01-03T00:00:00Z"))),
            "windows meet without a gap"
        );
        for bad in [
            Recurrence { time_zone: "Mars/Olympus".to_owned(), ..nightly(&[], "UTC") },
            Recurrence { start: "24:00".to_owned(), ..nightly(&[], "UTC") },
            Recurrence { end: "7:00".to_owned(), ..nightly(&[], "UTC") },
            nightly(&["someday"], "UTC"),
        ] {
            assert!(bad.validate(Timestamp(0)).is_err(), "{bad:?}");
        }
    }
}
