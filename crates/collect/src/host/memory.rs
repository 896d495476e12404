//! Memory and the pressure on it.

use std::sync::LazyLock;

use regex::Regex;

use super::files::read;
use super::{CollectError, Host};
use crate::exposition::Exposition;

/// Fields of `/proc/meminfo` that node_exporter does not expose.
const NOT_EXPOSED: [&str; 7] =
    ["KReclaimable", "SecPageTables", "FileHugePages", "FilePmdMapped", "Balloon", "Hugetlb", "Unaccepted"];

/// node_exporter's `meminfo`: `Active(anon)` becomes `node_memory_Active_anon_bytes`.
pub(super) fn meminfo(host: &Host, out: &mut Exposition) -> Result<(), CollectError> {
    let path = host.proc_path("meminfo");
    let mut found = false;
    for line in read(&path)?.lines() {
        let Some((key, rest)) = line.split_once(':') else { continue };
        let mut words = rest.split_whitespace();
        let Some(value) = words.next().and_then(|word| word.parse::<f64>().ok()) else { continue };
        if NOT_EXPOSED.contains(&key) || !key.chars().all(|c| c.is_ascii_alphanumeric() || "_()".contains(c)) {
            continue;
        }
        let mut field = key.replace('(', "_").replace(')', "");
        let mut bytes = value;
        if words.next() == Some("kB") {
            field.push_str("_bytes");
            bytes *= 1024.0;
        }
        found = true;
        let help = format!("Memory information field {field}.");
        out.gauge(&format!("node_memory_{field}"), &help, &[], bytes);
    }
    if found { Ok(()) } else { Err(CollectError::Format { path, expected: "memory figures" }) }
}

static VMSTAT_FIELDS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("^(oom_kill|pgpg|pswp|pg.*fault)[a-z0-9_]*$").expect("a valid pattern"));

/// node_exporter's `vmstat`, with its default fields.
pub(super) fn vmstat(host: &Host, out: &mut Exposition) -> Result<(), CollectError> {
    for line in read(&host.proc_path("vmstat"))?.lines() {
        let Some((field, value)) = line.split_once(' ') else { continue };
        if !VMSTAT_FIELDS.is_match(field) {
            continue;
        }
        if let Ok(value) = value.trim().parse() {
            let help = format!("/proc/vmstat information field {field}.");
            out.untyped(&format!("node_vmstat_{field}"), &help, value);
        }
    }
    Ok(())
}

/// node_exporter's `pressure`, in seconds; the kernel counts microseconds.
pub(super) fn pressure(host: &Host, out: &mut Exposition) -> Result<(), CollectError> {
    const COUNTERS: [(&str, &str, &str, &str); 6] = [
        ("cpu", "some", "cpu_waiting", "Total time in seconds that processes have waited for CPU time"),
        ("io", "some", "io_waiting", "Total time in seconds that processes have waited due to IO congestion"),
        ("io", "full", "io_stalled", "Total time in seconds no process could make progress due to IO congestion"),
        ("memory", "some", "memory_waiting", "Total time in seconds that processes have waited for memory"),
        (
            "memory",
            "full",
            "memory_stalled",
            "Total time in seconds no process could make progress due to memory congestion",
        ),
        ("irq", "full", "irq_stalled", "Total time in seconds no process could make progress due to IRQ congestion"),
    ];
    let mut found = false;
    for (resource, share, metric, help) in COUNTERS {
        let text = match read(&host.proc_path("pressure").join(resource)) {
            Ok(text) => text,
            Err(CollectError::NoData) => continue,
            Err(error) => return Err(error),
        };
        let total = text.lines().find_map(|line| {
            let words = line.strip_prefix(share)?.split_whitespace();
            words.filter_map(|word| word.strip_prefix("total=")).next()?.parse::<f64>().ok()
        });
        if let Some(microseconds) = total {
            found = true;
            out.counter(&format!("node_pressure_{metric}_seconds_total"), help, &[], microseconds / 1000.0 / 1000.0);
        }
    }
    if found { Ok(()) } else { Err(CollectError::NoData) }
}
