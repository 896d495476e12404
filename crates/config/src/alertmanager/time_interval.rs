//! Times of the week and year (`timeinterval` in Alertmanager). All fields must hold; of the ranges of one field any.

use chrono::{DateTime, Datelike, Days, NaiveDate, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use model::Timestamp;

/// Minutes of a day, the end excluded; 24:00 is 1440.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRangeOfDay {
    /// First minute.
    pub start: u32,
    /// The minute behind the last.
    pub end: u32,
}

/// A range of numbers, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntRange {
    /// First.
    pub begin: i32,
    /// Last.
    pub end: i32,
}

/// Days of a month: negative ones count from its end.
pub type DayRange = IntRange;

/// A set of times. An empty list allows everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TimeInterval {
    /// Times of the day.
    pub times: Vec<TimeRangeOfDay>,
    /// Days of the week, 0 is Sunday.
    pub weekdays: Vec<IntRange>,
    /// Days of the month.
    pub days_of_month: Vec<DayRange>,
    /// Months, 1 to 12.
    pub months: Vec<IntRange>,
    /// Years.
    pub years: Vec<IntRange>,
    /// The zone in which all of it is meant; UTC where none is named.
    pub location: Option<Tz>,
}

impl TimeInterval {
    /// True where the time lies within.
    pub fn contains(&self, at: Timestamp) -> bool {
        let utc = DateTime::<Utc>::from_timestamp_millis(at.ms()).unwrap_or_default();
        let local = match self.location {
            Some(zone) => zone.from_utc_datetime(&utc.naive_utc()).naive_local(),
            None => utc.naive_utc(),
        };
        let minute = local.hour() * 60 + local.minute();
        let within = |ranges: &[IntRange], value: i32| {
            ranges.is_empty() || ranges.iter().any(|range| range.begin <= value && value <= range.end)
        };
        let times_hold =
            self.times.is_empty() || self.times.iter().any(|range| range.start <= minute && minute < range.end);
        let days = days_in_month(local.date());
        let day = local.day() as i32;
        let in_days = |range: &DayRange| {
            let from_end = |n: i32| if n < 0 { days + n + 1 } else { n };
            let (begin, end) = (from_end(range.begin).clamp(1, days), from_end(range.end));
            // A range that lies wholly behind the month's end has no day.
            from_end(range.begin) <= days && end >= 1 && begin <= day && day <= end.min(days)
        };
        times_hold
            && (self.days_of_month.is_empty() || self.days_of_month.iter().any(in_days))
            && within(&self.months, local.month() as i32)
            && within(&self.weekdays, local.weekday().num_days_from_sunday() as i32)
            && within(&self.years, local.year())
    }
}

fn days_in_month(date: NaiveDate) -> i32 {
    let first = date.with_day(1).unwrap_or(date);
    let next = first.checked_add_months(chrono::Months::new(1)).unwrap_or(first);
    next.checked_sub_days(Days::new(1)).map_or(31, |last| last.day() as i32)
}

const WEEKDAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// `09:00` as minutes.
pub(crate) fn read_minutes(text: &str) -> Result<u32, String> {
    let bad = || format!("couldn't parse timestamp {text}, invalid format; expected HH:MM, from 00:00 to 24:00");
    let (hours, minutes) = text.split_once(':').ok_or_else(bad)?;
    let two =
        |part: &str| (part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse().ok()).flatten();
    let (hours, minutes): (u32, u32) = (two(hours).ok_or_else(bad)?, two(minutes).ok_or_else(bad)?);
    let valid = (hours < 24 && minutes < 60) || (hours == 24 && minutes == 0);
    if valid { Ok(hours * 60 + minutes) } else { Err(bad()) }
}

fn range(text: &str, one: impl Fn(&str) -> Result<i32, String>) -> Result<IntRange, String> {
    let text = text.trim().to_lowercase();
    let (begin, end) = text.split_once(':').unwrap_or((&text, &text));
    let range = IntRange { begin: one(begin)?, end: one(end)? };
    Ok(range)
}

fn ordered(range: IntRange) -> Result<IntRange, String> {
    if range.begin > range.end { Err("start day cannot be before end day".to_owned()) } else { Ok(range) }
}

/// `monday` or `monday:friday`.
pub(crate) fn read_weekdays(text: &str) -> Result<IntRange, String> {
    let day = |name: &str| {
        let found = WEEKDAYS.iter().position(|known| *known == name);
        found.map(|day| day as i32).ok_or_else(|| format!("{name} is not a valid weekday"))
    };
    ordered(range(text, day)?)
}

/// `5`, `1:7` or `-3:-1`.
pub(crate) fn read_days(text: &str) -> Result<IntRange, String> {
    let day = |text: &str| text.parse().map_err(|_| format!("{text:?} is not a day of the month"));
    let found = range(text, day)?;
    for day in [found.begin, found.end] {
        if day == 0 || !(-31..=31).contains(&day) {
            return Err(format!("{day} is not a valid day of the month: out of range"));
        }
    }
    if found.begin < 0 && found.end > 0 {
        return Err("end day must be negative if start day is negative".to_owned());
    }
    // Even in the longest month the end must not lie before the start.
    let in_longest = |day: i32| if day < 0 { 31 + day + 1 } else { day };
    if in_longest(found.begin) > in_longest(found.end) {
        return Err("end day is always before start day".to_owned());
    }
    Ok(found)
}

/// `january`, `1` or `march:june`.
pub(crate) fn read_months(text: &str) -> Result<IntRange, String> {
    let month = |text: &str| match MONTHS.iter().position(|known| *known == text) {
        Some(month) => Ok(month as i32 + 1),
        None => text.parse().map_err(|_| format!("{text} is not a valid month")).and_then(|month: i32| {
            if (1..=12).contains(&month) {
                Ok(month)
            } else {
                Err(format!("{month} is not a valid month: out of range"))
            }
        }),
    };
    let found = range(text, month)?;
    if found.begin > found.end { Err("end month is before start month".to_owned()) } else { Ok(found) }
}

/// `2026` or `2026:2028`.
pub(crate) fn read_years(text: &str) -> Result<IntRange, String> {
    let found = range(text, |text| text.parse().map_err(|_| format!("{text} is not a year")))?;
    if found.begin > found.end { Err("end year is before start year".to_owned()) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp(DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis())
    }

    #[test]
    fn contains() {
        let office = TimeInterval {
            times: vec![TimeRangeOfDay { start: 540, end: 1020 }],
            weekdays: vec![read_weekdays("monday:friday").unwrap()],
            ..TimeInterval::default()
        };
        assert!(office.contains(at("2020-11-12T09:00:00Z")));
        assert!(!office.contains(at("2020-11-12T17:00:00Z")), "the end is excluded");
        assert!(!office.contains(at("2020-11-14T10:00:00Z")), "a Saturday");
        let berlin = TimeInterval { location: Some(Tz::Europe__Berlin), ..office };
        assert!(berlin.contains(at("2020-11-12T08:30:00Z")) && !berlin.contains(at("2020-11-12T16:30:00Z")));
        let last = TimeInterval { days_of_month: vec![read_days("-3:-1").unwrap()], ..TimeInterval::default() };
        assert!(last.contains(at("2021-02-26T00:00:00Z")) && !last.contains(at("2021-02-25T00:00:00Z")));
        let late = TimeInterval { days_of_month: vec![read_days("31").unwrap()], ..TimeInterval::default() };
        assert!(late.contains(at("2021-01-31T23:59:00Z")) && !late.contains(at("2021-02-28T12:00:00Z")));
        let summer = TimeInterval {
            months: vec![read_months("june:8").unwrap()],
            years: vec![read_years("2021:2022").unwrap()],
            ..TimeInterval::default()
        };
        assert!(summer.contains(at("2022-08-31T23:00:00Z")) && !summer.contains(at("2023-07-01T00:00:00Z")));
        assert!(TimeInterval::default().contains(at("2021-01-01T00:00:00Z")));
    }

    #[test]
    fn what_is_no_range() {
        for bad in ["0", "32", "-32:-1", "-1:5", "5:1", "x", "-1:-3"] {
            assert!(read_days(bad).is_err(), "{bad}");
        }
        for bad in ["25:00", "9:00", "24:01", "0900", "12:60", ""] {
            assert!(read_minutes(bad).is_err(), "{bad}");
        }
        assert!(read_weekdays("friday:monday").is_err() && read_weekdays("fri").is_err());
        assert!(read_months("13").is_err() && read_months("may:april").is_err() && read_years("x").is_err());
        assert_eq!(read_minutes("24:00"), Ok(1440));
    }
}
