//! The real node_exporter on the same machine: names, labels and types must be the same, and every counter must lie between two
//! of its readings. Found through `AFFERENT_PEERS`, a directory with `usr/bin/prometheus-node-exporter`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use collect::host::{Host, Options};
use model::SystemClock;

/// Families of collectors that are not built in.
const NOT_COVERED: [&str; 20] = [
    "node_timex_",
    "node_selinux_",
    "node_textfile_",
    "node_dmi_",
    "node_bonding_",
    "node_btrfs_",
    "node_edac_",
    "node_infiniband_",
    "node_ipvs_",
    "node_md_",
    "node_nfs_",
    "node_nfsd_",
    "node_nvme_",
    "node_power_supply_",
    "node_rapl_",
    "node_watchdog_",
    "node_xfs_",
    "node_zfs_",
    "node_bcache_",
    "node_fibrechannel_",
];

/// Values that do not change while the test runs.
const FIXED: [&str; 8] = [
    "node_boot_time_seconds",
    "node_memory_MemTotal_bytes",
    "node_memory_HugePages_Total",
    "node_filesystem_size_bytes",
    "node_network_mtu_bytes",
    "node_network_speed_bytes",
    "node_nf_conntrack_entries_limit",
    "node_filefd_maximum",
];

struct Stop(Child);

impl Drop for Stop {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[derive(Default)]
struct Families {
    kinds: BTreeMap<String, String>,
    samples: BTreeMap<String, f64>,
}

fn parse(text: &str) -> Families {
    let mut families = Families::default();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            families.kinds.insert(name.to_owned(), kind.to_owned());
        } else if !line.starts_with('#') {
            let (series, value) = line.rsplit_once(' ').unwrap();
            // node_exporter below 1.12 calls a disk non-rotational where any file of its queue cannot be read.
            let series = series.replace("rotational=\"1\"", "rotational=\"0\"");
            families.samples.insert(series, value.parse().unwrap());
        }
    }
    families.kinds.retain(|name, _| name.starts_with("node_"));
    families.samples.retain(|series, _| series.starts_with("node_"));
    families
}

fn fetch(address: &str) -> Families {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    parse(answer.split_once("\r\n\r\n").unwrap().1)
}

fn name(series: &str) -> &str {
    series.split('{').next().unwrap()
}

#[test]
fn agrees_with_node_exporter() {
    let peers = std::env::var_os("AFFERENT_PEERS").unwrap_or_default();
    let program = Path::new(&peers).join("usr/bin/prometheus-node-exporter");
    if !program.is_file() {
        println!("skipped: no node_exporter; set AFFERENT_PEERS to a directory with usr/bin/prometheus-node-exporter");
        return;
    }
    // Debian excludes further mount points; this is upstream's default.
    let mounts = "--collector.filesystem.mount-points-exclude=\
                  ^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)";
    let arguments = ["--web.listen-address=127.0.0.1:0", "--collector.processes", mounts];
    let child = Command::new(program).args(arguments).stderr(Stdio::piped()).spawn();
    let mut child = Stop(child.unwrap());
    let mut log = BufReader::new(child.0.stderr.take().unwrap()).lines();
    let address = log.by_ref().find_map(|line| {
        let line = line.unwrap();
        let (_, address) = line.split_once("msg=\"Listening on\" address=")?;
        Some(address.trim().to_owned())
    });
    let address = address.expect("node_exporter says where it listens");

    let host = Host::new(Options { processes: true, ..Options::default() }, Arc::new(SystemClock));
    let before = fetch(&address);
    let mut text = String::new();
    host.gather(&mut text);
    let ours = parse(&text);
    let after = fetch(&address);

    let mut wrong = Vec::new();
    let covered = |name: &str| !NOT_COVERED.iter().any(|prefix| name.starts_with(prefix));
    for (name, kind) in before.kinds.iter().filter(|(name, _)| covered(name)) {
        match ours.kinds.get(name) {
            None => wrong.push(format!("missing family {name}")),
            Some(found) if found != kind => wrong.push(format!("{name} is a {found}, not a {kind}")),
            Some(_) => {}
        }
    }
    wrong.extend(
        ours.kinds.keys().filter(|name| !before.kinds.contains_key(*name)).map(|n| format!("extra family {n}")),
    );

    // States of processes come and go; the exporter says different things about itself.
    let ignored = |series: &str| {
        let name = name(series);
        name.starts_with("node_scrape_collector_") || name == "node_exporter_build_info" || name.ends_with("_state")
    };
    let names = |families: &Families| -> BTreeSet<String> {
        families.samples.keys().filter(|series| covered(name(series)) && !ignored(series)).cloned().collect()
    };
    let (theirs, mine) = (names(&before), names(&ours));
    let lasting: BTreeSet<_> = names(&after).intersection(&theirs).cloned().collect();
    wrong.extend(lasting.difference(&mine).map(|series| format!("missing series {series}")));
    wrong.extend(mine.difference(&theirs).map(|series| format!("extra series {series}")));

    let (mut between, mut equal) = (0, 0);
    for (series, value) in &ours.samples {
        let (Some(low), Some(high)) = (before.samples.get(series), after.samples.get(series)) else { continue };
        if ours.kinds[name(series)] == "counter" {
            between += 1;
            let slack = 1e-9 * high.abs();
            if *value < low - slack || *value > high + slack {
                wrong.push(format!("{series} is {value}, not between {low} and {high}"));
            }
        } else if FIXED.contains(&name(series)) {
            equal += 1;
            if value != low {
                wrong.push(format!("{series} is {value}, not {low}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(between > 50 && equal > 5, "too little was compared: {between} counters, {equal} fixed values");
}
