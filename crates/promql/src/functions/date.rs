//! The UTC calendar, from seconds since the epoch.

/// A moment in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Utc {
    pub(crate) year: i64,
    /// 1 to 12.
    pub(crate) month: u32,
    /// 1 to 31.
    pub(crate) day: u32,
    pub(crate) hour: u32,
    pub(crate) minute: u32,
    pub(crate) second: u32,
    /// 0 is Sunday.
    pub(crate) weekday: u32,
    /// 1 to 366.
    pub(crate) day_of_year: u32,
}

/// The calendar of the proleptic Gregorian year (algorithm: H. Hinnant, "chrono-compatible low-level date algorithms").
pub(crate) fn utc(seconds: i64) -> Utc {
    calendar(i128::from(seconds))
}

/// The same for a sample's value. What is no 64-bit number of seconds gives what Go's overflow gives: the moment 2^63 seconds
/// after the epoch.
pub(crate) fn utc_of_value(v: f64) -> Utc {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    calendar(if (-LIMIT..LIMIT).contains(&v) && v != -LIMIT { v as i128 } else { 1 << 63 })
}

fn calendar(seconds: i128) -> Utc {
    let days = seconds.div_euclid(86_400) as i64;
    let of_day = seconds.rem_euclid(86_400) as u32;
    let shifted = days.saturating_add(719_468);
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_from_march = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_from_march + 2) / 153;
    let day = (day_from_march - (153 * month_from_march + 2) / 5 + 1) as u32;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 } as u32;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let before: u32 = (1..month).map(|m| days_in_month(year, m)).sum();
    Utc {
        year,
        month,
        day,
        hour: of_day / 3600,
        minute: of_day / 60 % 60,
        second: of_day % 60,
        weekday: (days + 4).rem_euclid(7) as u32,
        day_of_year: before + day,
    }
}

/// Days of a month, 1 to 12.
pub(crate) fn days_in_month(year: i64, month: u32) -> u32 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The function of that name, from seconds since the epoch.
pub(crate) fn date_function(name: &str) -> Option<fn(Utc) -> f64> {
    Some(match name {
        "day_of_month" => |t| f64::from(t.day),
        "day_of_week" => |t| f64::from(t.weekday),
        "day_of_year" => |t| f64::from(t.day_of_year),
        "days_in_month" => |t| f64::from(days_in_month(t.year, t.month)),
        "hour" => |t| f64::from(t.hour),
        "minute" => |t| f64::from(t.minute),
        "month" => |t| f64::from(t.month),
        "year" => |t| t.year as f64,
        _ => return None,
    })
}

/// `2006-01-02T15:04:05Z`.
pub(crate) fn format_rfc3339(seconds: i64) -> String {
    let t = utc(seconds);
    format!("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", t.year, t.month, t.day, t.hour, t.minute, t.second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_dates() {
        assert_eq!(format_rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(format_rfc3339(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(format_rfc3339(-1), "1969-12-31T23:59:59Z");
        assert_eq!(format_rfc3339(1_785_542_399), "2026-07-31T23:59:59Z");
        assert_eq!(utc(0).weekday, 4);
        // What Prometheus answers to hour(NaN) and month(NaN).
        assert_eq!((utc_of_value(f64::NAN).hour, utc_of_value(f64::NAN).month), (15, 12));
        assert_eq!(utc_of_value(86_400.9), utc(86_400));
        assert_eq!(utc(1_735_603_200).day_of_year, 366);
    }
}
