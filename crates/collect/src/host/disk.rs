//! Block devices.

use std::collections::HashMap;
use std::sync::LazyLock;

use procfs::{DiskStats, FromBufRead};
use regex::Regex;

use super::files::{line, read};
use super::{CollectError, Host};
use crate::exposition::Exposition;

/// Partitions, RAM disks and loop devices: node_exporter's default.
static IGNORED_DEVICES: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$").expect("a valid pattern"));

/// `/proc/diskstats` counts sectors of 512 bytes whatever the device's own are.
const SECTOR_BYTES: f64 = 512.0;

/// node_exporter's `diskstats`.
pub(super) fn diskstats(host: &Host, out: &mut Exposition) -> Result<(), CollectError> {
    let path = host.proc_path("diskstats");
    let text = read(&path)?;
    let disks = DiskStats::from_buf_read(text.as_bytes())
        .map_err(|_| CollectError::Format { path, expected: "the statistics of block devices" })?;
    for disk in disks.0.iter().filter(|disk| !IGNORED_DEVICES.is_match(&disk.name)) {
        let device = disk.name.as_str();
        let (major, minor) = (disk.major.to_string(), disk.minor.to_string());
        let udev = udev_properties(host, &major, &minor);
        let property = |key: &str| udev.get(key).map_or("", String::as_str);
        let serials = ["SCSI_IDENT_SERIAL", "ID_SERIAL_SHORT", "ID_SERIAL"];
        let serial = serials.into_iter().map(property).find(|serial| !serial.is_empty()).unwrap_or_default();
        let rotational = line(&host.sys_path("block").join(device).join("queue/rotational"));
        let labels = [
            ("device", device),
            ("major", &major),
            ("minor", &minor),
            ("model", property("ID_MODEL")),
            ("path", property("ID_PATH")),
            ("revision", property("ID_REVISION")),
            ("rotational", if rotational.as_deref() == Some("1") { "1" } else { "0" }),
            ("serial", serial),
            ("wwn", property("ID_WWN")),
        ];
        out.gauge("node_disk_info", "Info of /sys/block/<block_device>.", &labels, 1.0);
        counters(out, disk);
        identities(out, device, property);
    }
    Ok(())
}

/// The counters of one device. Older kernels have fewer of them.
fn counters(out: &mut Exposition, disk: &procfs::DiskStat) {
    let labels = [("device", disk.name.as_str())];
    let seconds = |milliseconds: u64| milliseconds as f64 / 1000.0;
    let counters = [
        ("reads_completed_total", "The total number of reads completed successfully.", Some(disk.reads as f64)),
        ("reads_merged_total", "The total number of reads merged.", Some(disk.merged as f64)),
        (
            "read_bytes_total",
            "The total number of bytes read successfully.",
            Some(disk.sectors_read as f64 * SECTOR_BYTES),
        ),
        (
            "read_time_seconds_total",
            "The total number of seconds spent by all reads.",
            Some(seconds(disk.time_reading)),
        ),
        ("writes_completed_total", "The total number of writes completed successfully.", Some(disk.writes as f64)),
        ("writes_merged_total", "The number of writes merged.", Some(disk.writes_merged as f64)),
        (
            "written_bytes_total",
            "The total number of bytes written successfully.",
            Some(disk.sectors_written as f64 * SECTOR_BYTES),
        ),
        (
            "write_time_seconds_total",
            "This is the total number of seconds spent by all writes.",
            Some(seconds(disk.time_writing)),
        ),
        ("io_time_seconds_total", "Total seconds spent doing I/Os.", Some(seconds(disk.time_in_progress))),
        (
            "io_time_weighted_seconds_total",
            "The weighted # of seconds spent doing I/Os.",
            Some(seconds(disk.weighted_time_in_progress)),
        ),
        (
            "discards_completed_total",
            "The total number of discards completed successfully.",
            disk.discards.map(|count| count as f64),
        ),
        (
            "discards_merged_total",
            "The total number of discards merged.",
            disk.discards_merged.map(|count| count as f64),
        ),
        (
            "discarded_sectors_total",
            "The total number of sectors discarded successfully.",
            disk.sectors_discarded.map(|count| count as f64),
        ),
        (
            "discard_time_seconds_total",
            "This is the total number of seconds spent by all discards.",
            disk.time_discarding.map(seconds),
        ),
        (
            "flush_requests_total",
            "The total number of flush requests completed successfully",
            disk.flushes.map(|count| count as f64),
        ),
        (
            "flush_requests_time_seconds_total",
            "This is the total number of seconds spent by all flush requests.",
            disk.time_flushing.map(seconds),
        ),
    ];
    for (name, help, value) in counters {
        if let Some(value) = value {
            out.counter(&format!("node_disk_{name}"), help, &labels, value);
        }
    }
    let help = "The number of I/Os currently in progress.";
    out.gauge("node_disk_io_now", help, &labels, disk.in_progress as f64);
}

/// What udev knows of the device's content.
fn identities<'p>(out: &mut Exposition, device: &str, property: impl Fn(&str) -> &'p str) {
    if !property("ID_FS_TYPE").is_empty() {
        let labels = [
            ("device", device),
            ("type", property("ID_FS_TYPE")),
            ("usage", property("ID_FS_USAGE")),
            ("uuid", property("ID_FS_UUID")),
            ("version", property("ID_FS_VERSION")),
        ];
        out.gauge("node_disk_filesystem_info", "Info about disk filesystem.", &labels, 1.0);
    }
    if !property("DM_NAME").is_empty() {
        let labels = [
            ("device", device),
            ("lv_layer", property("DM_LV_LAYER")),
            ("lv_name", property("DM_LV_NAME")),
            ("name", property("DM_NAME")),
            ("uuid", property("DM_UUID")),
            ("vg_name", property("DM_VG_NAME")),
        ];
        out.gauge("node_disk_device_mapper_info", "Info about disk device mapper.", &labels, 1.0);
    }
    if property("ID_ATA").is_empty() {
        return;
    }
    for (key, metric, help) in [
        ("ID_ATA_WRITE_CACHE", "node_disk_ata_write_cache", "ATA disk has a write cache."),
        ("ID_ATA_WRITE_CACHE_ENABLED", "node_disk_ata_write_cache_enabled", "ATA disk has its write cache enabled."),
        ("ID_ATA_ROTATION_RATE_RPM", "node_disk_ata_rotation_rate_rpm", "ATA disk rotation rate in RPMs (0 for SSDs)."),
    ] {
        if let Ok(value) = property(key).parse() {
            out.gauge(metric, help, &[("device", device)], value);
        }
    }
}

/// The properties (`E:KEY=value`) of udev's database; empty where there is none, as in containers.
fn udev_properties(host: &Host, major: &str, minor: &str) -> HashMap<String, String> {
    let text = read(&host.options.udev_data.join(format!("b{major}:{minor}"))).unwrap_or_default();
    let pairs = text.lines().filter_map(|line| line.strip_prefix("E:")?.split_once('='));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}
