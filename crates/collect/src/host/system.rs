//! The machine as a whole: names, versions, time, file handles, entropy.

use std::collections::HashMap;
use std::path::Path;

use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::{OffsetName, Tz};

use super::cpu::clock_sources;
use super::files::{line, read, required_number};
use super::{CollectError, Host};
use crate::exposition::Exposition;

/// node_exporter's `uname`, from `/proc/sys/kernel`.
pub(super) fn uname(host: &Host, out: &mut Exposition) -> Result<(), CollectError> {
    let kernel = host.proc_path("sys/kernel");
    let text = |file: &str| line(&kernel.join(file));
    let release = text("osrelease").ok_or(CollectError::NoData)?;
    let machine = text("arch").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let labels = [
        ("domainname", &*text("domainname").unwrap_or_default()),
        ("machine", &machine),
        ("nodename", &text("hostname").unwrap_or_default()),
        ("release", &release),
        ("sysname", &text("ostype").unwrap_or_default()),
        ("version", &text("version").unwrap_or_default()),
    ];
    let help = "Labeled system information as provided by the uname system call.";
    out.gauge("node_uname_info", help, &labels, 1.0);
    Ok(())
}

/// node_exporter's `os`, from os-release(5).
pub(super) fn os(host: &Host, out: &mut Exposition) -> Result<(), CollectError> {
    let text = read(&host.root_path(Path::new("/etc/os-release")))
        .or_else(|_| read(&host.root_path(Path::new("/usr/lib/os-release"))))?;
    let fields: HashMap<&str, String> = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .filter_map(|line| line.trim().split_once('='))
        .map(|(key, value)| (key, unquote(value)))
        .collect();
    let field = |key: &str| fields.get(key).map_or("", String::as_str);
    let labels = [
        ("build_id", field("BUILD_ID")),
        ("id", field("ID")),
        ("id_like", field("ID_LIKE")),
        ("image_id", field("IMAGE_ID")),
        ("image_version", field("IMAGE_VERSION")),
        ("name", field("NAME")),
        ("pretty_name", field("PRETTY_NAME")),
        ("variant", field("VARIANT")),
        ("variant_id", field("VARIANT_ID")),
        ("version", field("VERSION")),
        ("version_codename", field("VERSION_CODENAME")),
        ("version_id", field("VERSION_ID")),
    ];
    let help = "A metric with a constant '1' value labeled by build_id, id, id_like, image_id, image_version, name, pretty_name, \
                variant, variant_id, version, version_codename, version_id.";
    out.gauge("node_os_info", help, &labels, 1.0);
    if let Some(version) = major_minor(field("VERSION_ID")).filter(|version| *version > 0.0) {
        let labels = [("id", field("ID")), ("id_like", field("ID_LIKE")), ("name", field("NAME"))];
        let help = "Metric containing the major.minor part of the OS version.";
        out.gauge("node_os_version", help, &labels, version);
    }
    if let Ok(date) = chrono::NaiveDate::parse_from_str(field("SUPPORT_END"), "%Y-%m-%d") {
        let end = date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp();
        let help = "Metric containing the end-of-life date timestamp of the OS.";
        out.gauge("node_os_support_end_timestamp_seconds", help, &[], end as f64);
    }
    Ok(())
}

fn unquote(value: &str) -> String {
    let inside = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
    inside.map_or_else(|| value.to_owned(), |inside| inside.replace("\\\"", "\"").replace("\\\\", "\\"))
}

/// `12.5.1` gives 12.5.
fn major_minor(version: &str) -> Option<f64> {
    let mut parts = version.split('.');
    let leading_digits = |part: &str| part.chars().take_while(char::is_ascii_digit).collect::<String>();
    let major = parts.next()?;
    let minor = if major.bytes().all(|b| b.is_ascii_digit()) { parts.next().map(leading_digits) } else { None };
    format!("{}.{}", leading_digits(major), minor.unwrap_or_default()).parse().ok()
}

/// node_exporter's `time`.
pub(super) fn time(host: &Host, out: &mut Exposition) -> Result<(), CollectError> {
    let now = host.clock.now();
    out.gauge("node_time_seconds", "System time in seconds since epoch (1970).", &[], now.seconds());
    let utc = DateTime::from_timestamp_millis(now.ms()).unwrap_or_default().naive_utc();
    let zone = time_zone(host).offset_from_utc_datetime(&utc);
    let labels = [("time_zone", zone.abbreviation().unwrap_or("UTC"))];
    let offset = f64::from(zone.fix().local_minus_utc());
    out.gauge("node_time_zone_offset_seconds", "System time zone offset in seconds.", &labels, offset);
    for (device, available, current) in clock_sources(host)? {
        let help = "Available clocksources read from '/sys/devices/system/clocksource'.";
        for source in &available {
            let labels = [("clocksource", source.as_str()), ("device", &device)];
            out.gauge("node_time_clocksource_available_info", help, &labels, 1.0);
        }
        let help = "Current clocksource read from '/sys/devices/system/clocksource'.";
        let labels = [("clocksource", current.as_str()), ("device", &device)];
        out.gauge("node_time_clocksource_current_info", help, &labels, 1.0);
    }
    Ok(())
}

/// The zone named by `TZ`, or by where `/etc/localtime` points to; UTC where neither tells.
fn time_zone(host: &Host) -> Tz {
    let from_link = || {
        let target = std::fs::read_link(host.root_path(Path::new("/etc/localtime"))).ok()?;
        let target = target.to_str()?.split_once("zoneinfo/")?.1.to_owned();
        target.parse().ok()
    };
    let from_variable = std::env::var("TZ").ok().and_then(|name| name.trim_start_matches(':').parse().ok());
    from_variable.or_else(from_link).unwrap_or(Tz::UTC)
}

/// node_exporter's `filefd`.
pub(super) fn filefd(host: &Host, out: &mut Exposition) -> Result<(), CollectError> {
    let path = host.proc_path("sys/fs/file-nr");
    let text = read(&path)?;
    let words: Vec<_> = text.split_whitespace().collect();
    let [allocated, _, maximum] = words[..] else {
        return Err(CollectError::Format { path, expected: "three numbers" });
    };
    for (state, value) in [("allocated", allocated), ("maximum", maximum)] {
        let value =
            value.parse().map_err(|_| CollectError::Format { path: path.clone(), expected: "three numbers" })?;
        let help = format!("File descriptor statistics: {state}.");
        out.gauge(&format!("node_filefd_{state}"), &help, &[], value);
    }
    Ok(())
}

/// node_exporter's `entropy`.
pub(super) fn entropy(host: &Host, out: &mut Exposition) -> Result<(), CollectError> {
    let directory = host.proc_path("sys/kernel/random");
    let available = required_number(&directory.join("entropy_avail"))?;
    out.gauge("node_entropy_available_bits", "Bits of available entropy.", &[], available);
    let pool = required_number(&directory.join("poolsize"))?;
    out.gauge("node_entropy_pool_size_bits", "Bits of entropy pool.", &[], pool);
    Ok(())
}

/// node_exporter's `kernel_hung`.
pub(super) fn kernel_hung(host: &Host, out: &mut Exposition) -> Result<(), CollectError> {
    let tasks = required_number(&host.proc_path("sys/kernel/hung_task_detect_count"))?;
    let help = "Total number of tasks that have been detected as hung since the system booted.";
    out.counter("node_kernel_hung_tasks_total", help, &[], tasks);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_versions_and_quotes() {
        for (text, version) in
            [("12", Some(12.0)), ("22.04.1", Some(22.04)), ("9.", Some(9.0)), ("rolling", None), ("", None)]
        {
            assert_eq!(major_minor(text), version, "{text:?}");
        }
        assert_eq!(unquote("\"Debian \\\"x\\\"\""), "Debian \"x\"");
        assert_eq!((unquote("'a b'"), unquote("plain"), unquote("\"")), ("a b".into(), "plain".into(), "\"".into()));
    }
}
