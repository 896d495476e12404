//! Network devices, neighbours, packet processing, connection tracking.

use std::collections::BTreeMap;

use procfs::FromBufRead;
use procfs::net::InterfaceDeviceStatus;

use super::files::{number, read, required_number};
use super::{CollectError, Host};
use crate::exposition::Exposition;

/// node_exporter's `netdev`.
pub(super) fn netdev(host: &Host, out: &mut Exposition) -> Result<(), CollectError> {
    let path = host.proc_path("net/dev");
    let text = read(&path)?;
    let devices = InterfaceDeviceStatus::from_buf_read(text.as_bytes())
        .map_err(|_| CollectError::Format { path, expected: "the statistics of network devices" })?;
    for (device, found) in &devices.0 {
        let mut counters = vec![
            ("receive_bytes", found.recv_bytes as f64),
            ("receive_packets", found.recv_packets as f64),
            ("receive_errs", found.recv_errs as f64),
            ("receive_drop", found.recv_drop as f64),
            ("receive_fifo", found.recv_fifo as f64),
            ("receive_frame", found.recv_frame as f64),
            ("receive_compressed", found.recv_compressed as f64),
            ("receive_multicast", found.recv_multicast as f64),
            ("transmit_bytes", found.sent_bytes as f64),
            ("transmit_packets", found.sent_packets as f64),
            ("transmit_errs", found.sent_errs as f64),
            ("transmit_drop", found.sent_drop as f64),
            ("transmit_fifo", found.sent_fifo as f64),
            ("transmit_colls", found.sent_colls as f64),
            ("transmit_carrier", found.sent_carrier as f64),
            ("transmit_compressed", found.sent_compressed as f64),
        ];
        let nohandler = host.sys_path("class/net").join(device).join("statistics/rx_nohandler");
        counters.extend(number(&nohandler).map(|count| ("receive_nohandler", count)));
        for (key, value) in counters {
            let help = format!("Network device statistic {key}.");
            out.counter(&format!("node_network_{key}_total"), &help, &[("device", device)], value);
        }
    }
    Ok(())
}

/// node_exporter's `arp`: entries by device.
pub(super) fn arp(host: &Host, out: &mut Exposition) -> Result<(), CollectError> {
    let text = read(&host.proc_path("net/arp"))?;
    let mut entries: BTreeMap<&str, u32> = BTreeMap::new();
    for device in text.lines().skip(1).filter_map(|line| line.split_whitespace().nth(5)) {
        *entries.entry(device).or_default() += 1;
    }
    for (device, count) in entries {
        out.gauge("node_arp_entries", "ARP entries by device", &[("device", device)], f64::from(count));
    }
    Ok(())
}

/// node_exporter's `softnet`: hexadecimal columns, more of them with newer kernels.
pub(super) fn softnet(host: &Host, out: &mut Exposition) -> Result<(), CollectError> {
    const COLUMNS: [(usize, &str, &str); 6] = [
        (0, "processed", "Number of processed packets"),
        (1, "dropped", "Number of dropped packets"),
        (2, "times_squeezed", "Number of times processing packets ran out of quota"),
        (8, "cpu_collision", "Number of collision occur while obtaining device lock while transmitting"),
        (9, "received_rps", "Number of times cpu woken up received_rps"),
        (10, "flow_limit_count", "Number of times flow limit has been reached"),
    ];
    let path = host.proc_path("net/softnet_stat");
    for (line_number, line) in read(&path)?.lines().enumerate() {
        let columns: Result<Vec<u64>, _> = line.split_whitespace().map(|word| u64::from_str_radix(word, 16)).collect();
        let columns =
            columns.map_err(|_| CollectError::Format { path: path.clone(), expected: "hexadecimal columns" })?;
        let column = |i: usize| columns.get(i).copied().unwrap_or(0) as f64;
        let cpu = columns.get(12).copied().unwrap_or(line_number as u64).to_string();
        let labels = [("cpu", cpu.as_str())];
        for (i, name, help) in COLUMNS {
            out.counter(&format!("node_softnet_{name}_total"), help, &labels, column(i));
        }
        out.gauge("node_softnet_backlog_len", "Softnet backlog status", &labels, column(11));
    }
    Ok(())
}

/// node_exporter's `conntrack`. The statistics have one line per processor and name their columns, which differ by kernel.
pub(super) fn conntrack(host: &Host, out: &mut Exposition) -> Result<(), CollectError> {
    const COLUMNS: [(&str, &str); 8] = [
        ("found", "Number of searched entries which were successful."),
        ("invalid", "Number of packets seen which can not be tracked."),
        ("ignore", "Number of packets seen which are already connected to a conntrack entry."),
        ("insert", "Number of entries inserted into the list."),
        ("insert_failed", "Number of entries for which list insertion was attempted but failed."),
        ("drop", "Number of packets dropped due to conntrack failure."),
        (
            "early_drop",
            "Number of dropped conntrack entries to make room for new ones, if maximum table size was reached.",
        ),
        ("search_restart", "Number of conntrack table lookups which had to be restarted due to hashtable resizes."),
    ];
    let entries = required_number(&host.proc_path("sys/net/netfilter/nf_conntrack_count"))?;
    let help = "Number of currently allocated flow entries for connection tracking.";
    out.gauge("node_nf_conntrack_entries", help, &[], entries);
    let limit = required_number(&host.proc_path("sys/net/netfilter/nf_conntrack_max"))?;
    out.gauge("node_nf_conntrack_entries_limit", "Maximum size of connection tracking table.", &[], limit);

    let text = read(&host.proc_path("net/stat/nf_conntrack"))?;
    let mut lines = text.lines();
    let header: Vec<_> = lines.next().unwrap_or_default().split_whitespace().collect();
    let rows: Vec<Vec<u64>> = lines
        .map(|line| line.split_whitespace().map(|word| u64::from_str_radix(word, 16).unwrap_or(0)).collect())
        .collect();
    for (name, help) in COLUMNS {
        let Some(column) = header.iter().position(|known| *known == name) else { continue };
        let sum: f64 = rows.iter().filter_map(|row| row.get(column)).map(|count| *count as f64).sum();
        out.gauge(&format!("node_nf_conntrack_stat_{name}"), help, &[], sum);
    }
    Ok(())
}
