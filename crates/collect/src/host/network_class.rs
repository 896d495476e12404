//! The properties of network devices in `/sys/class/net`.

use super::files::{entries, line, name, number};
use super::{CollectError, Host};
use crate::exposition::Exposition;

/// Files, and the metric names that node_exporter gives them.
const GAUGES: [(&str, &str); 14] = [
    ("addr_assign_type", "address_assign_type"),
    ("carrier", "carrier"),
    ("dev_id", "device_id"),
    ("dormant", "dormant"),
    ("flags", "flags"),
    ("ifindex", "iface_id"),
    ("iflink", "iface_link"),
    ("link_mode", "iface_link_mode"),
    ("mtu", "mtu_bytes"),
    ("name_assign_type", "name_assign_type"),
    ("netdev_group", "net_dev_group"),
    ("tx_queue_len", "transmit_queue_length"),
    ("type", "protocol_type"),
    ("speed", "speed_bytes"),
];

const COUNTERS: [(&str, &str); 3] = [
    ("carrier_changes", "carrier_changes_total"),
    ("carrier_up_count", "carrier_up_changes_total"),
    ("carrier_down_count", "carrier_down_changes_total"),
];

/// `IFF_UP` of netdevice(7).
const UP: u64 = 1;

/// node_exporter's `netclass`. A device whose driver does not know a property has no such series.
pub(super) fn netclass(host: &Host, out: &mut Exposition) -> Result<(), CollectError> {
    for path in entries(&host.sys_path("class/net"))? {
        if !path.is_dir() {
            continue; // bonding_masters
        }
        let device = name(&path);
        let text = |file: &str| line(&path.join(file)).unwrap_or_default();
        let state = text("operstate");
        let up = f64::from(u8::from(state == "up"));
        let help = "Value is 1 if operstate is 'up', 0 otherwise.";
        out.gauge("node_network_up", help, &[("device", &device)], up);
        let flags = number(&path.join("flags"));
        let admin_state = match flags {
            None => "unknown",
            Some(flags) if flags as u64 & UP == UP => "up",
            Some(_) => "down",
        };
        let labels = [
            ("address", &*text("address")),
            ("adminstate", admin_state),
            ("broadcast", &text("broadcast")),
            ("device", &device),
            ("duplex", &text("duplex")),
            ("ifalias", &text("ifalias")),
            ("operstate", &state),
        ];
        let help = "Non-numeric data from /sys/class/net/<iface>, value is always 1.";
        out.gauge("node_network_info", help, &labels, 1.0);
        for (file, metric) in GAUGES {
            let Some(mut value) = number(&path.join(file)) else { continue };
            if file == "speed" {
                value *= 1000.0 * 1000.0 / 8.0; // megabits; -1 where not known, kept as node_exporter does
            }
            let help = format!("Network device property: {metric}");
            out.gauge(&format!("node_network_{metric}"), &help, &[("device", &device)], value);
        }
        for (file, metric) in COUNTERS {
            let Some(value) = number(&path.join(file)) else { continue };
            let help = format!("Network device property: {metric}");
            out.counter(&format!("node_network_{metric}"), &help, &[("device", &device)], value);
        }
    }
    Ok(())
}
