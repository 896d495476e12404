//! Sockets and the protocols above the devices.

use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;

use super::files::read;
use super::{CollectError, Host};
use crate::exposition::Exposition;

/// node_exporter's default fields.
static NETSTAT_FIELDS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        "^(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|Icmp6?_(InMsgs|OutMsgs)|\
         TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts|TCPOFOQueue|TCPRcvQDrop)|\
         Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)|\
         Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))$",
    )
    .expect("a valid pattern")
});

/// node_exporter's `netstat`.
pub(super) fn netstat(host: &Host, out: &mut Exposition) -> Result<(), CollectError> {
    for file in ["net/netstat", "net/snmp"] {
        // Pairs of lines: `Tcp: name name ...`, `Tcp: value value ...`.
        let path = host.proc_path(file);
        let text = read(&path)?;
        let lines: Vec<_> = text.lines().collect();
        for pair in lines.chunks(2) {
            let split = |line: &'_ str| line.split_once(':').map(|(p, rest)| (p.to_owned(), rest.to_owned()));
            let [names, values] = pair else { continue };
            let (Some((protocol, names)), Some((_, values))) = (split(names), split(values)) else { continue };
            if names.split_whitespace().count() != values.split_whitespace().count() {
                return Err(CollectError::Format { path, expected: "as many values as names" });
            }
            for (name, value) in names.split_whitespace().zip(values.split_whitespace()) {
                expose_netstat(out, &protocol, name, value);
            }
        }
    }
    // Absent where IPv6 is disabled.
    let snmp6 = read(&host.proc_path("net/snmp6")).unwrap_or_default();
    for line in snmp6.lines() {
        let mut words = line.split_whitespace();
        let (Some(key), Some(value)) = (words.next(), words.next()) else { continue };
        if let Some((protocol, name)) = key.split_once('6') {
            expose_netstat(out, &format!("{protocol}6"), name, value);
        }
    }
    Ok(())
}

fn expose_netstat(out: &mut Exposition, protocol: &str, name: &str, value: &str) {
    let key = format!("{protocol}_{name}");
    let valid = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if let Ok(value) = value.parse()
        && valid
        && NETSTAT_FIELDS.is_match(&key)
    {
        out.untyped(&format!("node_netstat_{key}"), &format!("Statistic {protocol}{name}."), value);
    }
}

/// node_exporter's `sockstat`. `mem` counts pages, and is given in bytes too.
pub(super) fn sockstat(host: &Host, out: &mut Exposition) -> Result<(), CollectError> {
    const FIELDS: [&str; 6] = ["inuse", "orphan", "tw", "alloc", "mem", "memory"];
    let page_bytes = procfs::page_size() as f64;
    for (file, is_v6) in [("net/sockstat", false), ("net/sockstat6", true)] {
        let text = match read(&host.proc_path(file)) {
            Ok(text) => text,
            Err(CollectError::NoData) => continue,
            Err(error) => return Err(error),
        };
        for line in text.lines() {
            let Some((protocol, fields)) = line.split_once(':') else { continue };
            let words: Vec<_> = fields.split_whitespace().collect();
            let pairs = words.chunks_exact(2).filter_map(|pair| Some((pair[0], pair[1].parse::<f64>().ok()?)));
            for (field, value) in pairs {
                if protocol == "sockets" && field == "used" && !is_v6 {
                    out.gauge("node_sockstat_sockets_used", "Number of IPv4 sockets in use.", &[], value);
                }
                let valid = protocol.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
                if protocol == "sockets" || !valid || !FIELDS.contains(&field) {
                    continue;
                }
                expose_sockstat(out, protocol, field, value);
                if field == "mem" {
                    expose_sockstat(out, protocol, "mem_bytes", value * page_bytes);
                }
            }
        }
    }
    Ok(())
}

fn expose_sockstat(out: &mut Exposition, protocol: &str, field: &str, value: f64) {
    let help = format!("Number of {protocol} sockets in state {field}.");
    out.gauge(&format!("node_sockstat_{protocol}_{field}"), &help, &[], value);
}

/// node_exporter's `udp_queues`: bytes queued in all UDP sockets.
pub(super) fn udp_queues(host: &Host, out: &mut Exposition) -> Result<(), CollectError> {
    let mut found = false;
    for (file, ip) in [("net/udp", "v4"), ("net/udp6", "v6")] {
        let Some((transmit, receive)) = queue_sums(&host.proc_path(file))? else { continue };
        found = true;
        let help = "Number of allocated memory in the kernel for UDP datagrams in bytes.";
        out.gauge("node_udp_queues", help, &[("ip", ip), ("queue", "tx")], transmit);
        out.gauge("node_udp_queues", help, &[("ip", ip), ("queue", "rx")], receive);
    }
    if found { Ok(()) } else { Err(CollectError::NoData) }
}

/// Sums the fifth column, `tx_queue:rx_queue` in hexadecimal. `None` where the file is missing.
fn queue_sums(path: &Path) -> Result<Option<(f64, f64)>, CollectError> {
    let text = match read(path) {
        Ok(text) => text,
        Err(CollectError::NoData) => return Ok(None),
        Err(error) => return Err(error),
    };
    let (mut transmit, mut receive) = (0.0, 0.0);
    for line in text.lines().skip(1) {
        let Some((tx, rx)) = line.split_whitespace().nth(4).and_then(|queues| queues.split_once(':')) else { continue };
        transmit += u64::from_str_radix(tx, 16).unwrap_or(0) as f64;
        receive += u64::from_str_radix(rx, 16).unwrap_or(0) as f64;
    }
    Ok(Some((transmit, receive)))
}
