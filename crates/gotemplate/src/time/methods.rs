//! The methods of `time.Time` and `time.Duration` that templates can call.

use chrono::{Datelike, Timelike};

use super::{Time, duration, layout};
use crate::funcs::Function;
use crate::types::{IntKind, Type};
use crate::value::{Constant, Value};

fn constant(value: Value) -> Function {
    Function::new([], move |_, _| Ok(value.clone()))
}

fn with_time(time: Time, apply: impl Fn(Time, Time) -> Value + Send + Sync + 'static) -> Function {
    Function::new([Type::Time], move |_, args| match &args[0] {
        Value::Time(other) => Ok(apply(time, *other)),
        _ => Err("wrong type for value; expected time.Time".into()),
    })
}

fn with_duration(apply: impl Fn(i64) -> Value + Send + Sync + 'static) -> Function {
    Function::new([Type::Duration], move |_, args| match &args[0] {
        Value::Duration(nanos) => Ok(apply(*nanos)),
        _ => Err("wrong type for value; expected time.Duration".into()),
    })
}

fn named(type_name: &'static str, names: &[&'static str], value: u32, first: u32) -> Value {
    Value::Constant(Constant { type_name, value: value.into(), text: names[(value - first) as usize] })
}

/// The method of that name bound to a time.
pub(crate) fn time_method(time: Time, name: &str) -> Option<Function> {
    let local = || time.parts().local;
    let int64 = |value: i64| constant(Value::Int(value, IntKind::Int64));
    let int = |value: u32| constant(Value::int(value.into()));
    Some(match name {
        "Format" => {
            Function::new([Type::String], move |_, args| Ok(time.format(&args[0].as_text().unwrap_or_default()).into()))
        }
        "String" => constant(time.to_string().into()),
        "GoString" => constant(time.go_syntax().into()),
        "Unix" => int64(time.unix()),
        "UnixMilli" => int64(time.unix().wrapping_mul(1000).wrapping_add(i64::from(time.subsec_nanos()) / 1_000_000)),
        "UnixMicro" => int64(time.unix().wrapping_mul(1_000_000).wrapping_add(i64::from(time.subsec_nanos()) / 1000)),
        "UnixNano" => int64(time.unix_nanos()),
        "Year" => constant(Value::int(local().year().into())),
        "Month" => constant(named("time.Month", &layout::MONTHS, local().month(), 1)),
        "Day" => int(local().day()),
        "YearDay" => int(local().ordinal()),
        "Weekday" => constant(named("time.Weekday", &layout::DAYS, local().weekday().num_days_from_sunday(), 0)),
        "Hour" => int(local().hour()),
        "Minute" => int(local().minute()),
        "Second" => int(local().second()),
        "Nanosecond" => int(time.subsec_nanos()),
        "IsZero" => constant(Value::Bool((time.unix(), time.subsec_nanos()) == (Time::ZERO.unix(), 0))),
        "IsDST" => constant(Value::Bool(is_summer_time(time))),
        "UTC" | "Local" => constant(Value::Time(time.in_zone(super::Zone::Utc))),
        "Add" => with_duration(move |nanos| Value::Time(time.plus(nanos))),
        "Round" | "Truncate" => {
            let rounds = name == "Round";
            with_duration(move |unit| Value::Time(to_multiple(time, unit, rounds)))
        }
        "AddDate" => Function::new([Type::INT, Type::INT, Type::INT], move |_, args| match args {
            [Value::Int(years, _), Value::Int(months, _), Value::Int(days, _)] => {
                Ok(Value::Time(time.plus_date(*years, *months, *days)))
            }
            _ => Err("wrong type for value; expected int".into()),
        }),
        "Sub" => with_time(time, |time, other| Value::Duration(time.since(other))),
        "After" => with_time(time, |time, other| Value::Bool(other.is_before(time))),
        "Before" => with_time(time, |time, other| Value::Bool(time.is_before(other))),
        "Equal" => with_time(time, |time, other| Value::Bool(!time.is_before(other) && !other.is_before(time))),
        "Compare" => with_time(time, |time, other| {
            Value::int(i64::from(other.is_before(time)) - i64::from(time.is_before(other)))
        }),
        _ => return None,
    })
}

/// Down (or to the nearer) multiple of `unit` since the zero time.
fn to_multiple(time: Time, unit: i64, nearest: bool) -> Time {
    if unit <= 0 {
        return time;
    }
    let since = i128::from(time.unix() - Time::ZERO.unix()) * 1_000_000_000 + i128::from(time.subsec_nanos());
    let rest = since.rem_euclid(unit.into()) as i64;
    if nearest && rest >= unit - rest { time.plus(unit - rest) } else { time.plus(-rest) }
}

fn is_summer_time(time: Time) -> bool {
    use chrono::TimeZone;
    use chrono_tz::OffsetComponents;
    let super::Zone::Named(zone) = time.zone() else { return false };
    let utc = time.in_zone(super::Zone::Utc).parts().local;
    !zone.offset_from_utc_datetime(&utc).dst_offset().is_zero()
}

/// The method of that name bound to a duration.
pub(crate) fn duration_method(nanos: i64, name: &str) -> Option<Function> {
    let float = |scale: f64| {
        // As Go does: whole units and the rest apart, so that nothing is lost before the addition.
        let unit = scale as i64;
        constant(Value::Float((nanos / unit) as f64 + (nanos % unit) as f64 / scale))
    };
    let int64 = |value: i64| constant(Value::Int(value, IntKind::Int64));
    Some(match name {
        "String" => constant(duration::text(nanos).into()),
        "Seconds" => float(1e9),
        "Minutes" => float(60e9),
        "Hours" => float(3600e9),
        "Milliseconds" => int64(nanos / 1_000_000),
        "Microseconds" => int64(nanos / 1000),
        "Nanoseconds" => int64(nanos),
        "Abs" => constant(Value::Duration(nanos.saturating_abs())),
        "Round" => with_duration(move |unit| Value::Duration(duration::round(nanos, unit))),
        "Truncate" => with_duration(move |unit| Value::Duration(if unit <= 0 { nanos } else { nanos - nanos % unit })),
        _ => return None,
    })
}
