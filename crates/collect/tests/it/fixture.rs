//! A small machine in files: what it exposes is known to the last line, and no damage to its files may make the exporter panic.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use collect::host::{Host, Options};
use model::{ManualClock, Timestamp};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn gather(root: &Path) -> String {
    let options = Options {
        procfs: root.join("proc"),
        sysfs: root.join("sys"),
        rootfs: root.join("root"),
        udev_data: root.join("udev"),
        mount_timeout: Duration::from_secs(30),
        processes: true,
    };
    let host = Host::new(options, Arc::new(ManualClock::new(Timestamp(1_700_000_000_500))));
    let mut out = String::new();
    host.gather(&mut out);
    out
}

/// Without what differs by machine: durations, the zone that `TZ` names, the architecture.
fn stable(text: &str) -> String {
    let differs = ["node_scrape_collector_duration", "node_time_zone", "node_exporter_build_info"];
    let kept = text.lines().filter(|line| !differs.iter().any(|name| line.contains(name)));
    kept.map(|line| format!("{line}\n")).collect()
}

/// With `UPDATE_CASES=1` the expectation is written instead of compared.
#[test]
fn a_known_machine_is_exposed_to_the_last_line() {
    let found = stable(&gather(&fixtures()));
    let file = fixtures().join("expected.txt");
    if std::env::var_os("UPDATE_CASES").is_some() {
        std::fs::write(&file, &found).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap();
    let missing: Vec<_> = expected.lines().filter(|line| !found.lines().any(|l| l == *line)).collect();
    let extra: Vec<_> = found.lines().filter(|line| !expected.lines().any(|l| l == *line)).collect();
    assert!(missing.is_empty() && extra.is_empty(), "missing:\n{}\nextra:\n{}", missing.join("\n"), extra.join("\n"));
    assert_eq!(found, expected);
}

#[test]
fn an_empty_machine_fails_every_collector_and_nothing_else() {
    let empty = tempfile::tempdir().unwrap();
    let text = gather(empty.path());
    let failed = text.lines().filter(|l| l.starts_with("node_scrape_collector_success{") && l.ends_with(" 0")).count();
    let succeeded: Vec<_> =
        text.lines().filter(|l| l.starts_with("node_scrape_collector_success{") && l.ends_with(" 1")).collect();
    // Sockets are absent where both IP versions are disabled, which is no failure.
    assert_eq!((failed, succeeded), (26, vec!["node_scrape_collector_success{collector=\"sockstat\"} 1"]));
}

#[test]
fn one_damaged_file_fails_one_collector() {
    let machine = tempfile::tempdir().unwrap();
    copy(&fixtures(), machine.path());
    std::fs::write(machine.path().join("proc/loadavg"), "what").unwrap();
    let (whole, damaged) = (stable(&gather(&fixtures())), stable(&gather(machine.path())));
    let changed: Vec<_> = damaged.lines().filter(|line| !whole.lines().any(|l| l == *line)).collect();
    assert_eq!(changed, ["node_scrape_collector_success{collector=\"loadavg\"} 0"]);
    let lost = whole.lines().filter(|line| !damaged.lines().any(|l| l == *line) && !line.contains("node_load"));
    assert_eq!(lost.collect::<Vec<_>>(), ["node_scrape_collector_success{collector=\"loadavg\"} 1"]);
}

#[test]
fn mutated_files_never_panic() {
    let machine = tempfile::tempdir().unwrap();
    copy(&fixtures(), machine.path());
    let files = files_of(machine.path());
    assert!(files.len() > 80, "{} files", files.len());
    let mut rng = StdRng::seed_from_u64(7);
    for round in 0..400 {
        let file = &files[rng.random_range(0..files.len())];
        let original = std::fs::read(file).unwrap();
        let mut bytes = original.clone();
        for _ in 0..rng.random_range(1..5) {
            let at = rng.random_range(0..=bytes.len());
            match rng.random_range(0..4) {
                0 => bytes.truncate(at),
                1 => bytes.splice(at..at, *b"18446744073709551616").for_each(drop),
                2 => bytes.splice(at..at, b"\xff:\n ( -".iter().copied()).for_each(drop),
                _ if at < bytes.len() => bytes[at] = rng.random(),
                _ => {}
            }
        }
        std::fs::write(file, &bytes).unwrap();
        let text = gather(machine.path());
        for line in text.lines() {
            let is_comment = line.starts_with("# HELP ") || line.starts_with("# TYPE ");
            let value = line.rsplit_once(' ').map(|(_, value)| value.parse::<f64>());
            assert!(is_comment || matches!(value, Some(Ok(_))), "round {round}, {}: {line}", file.display());
        }
        std::fs::write(file, original).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &target) } else { std::fs::copy(&path, &target).map(drop).unwrap() }
    }
}

fn files_of(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_of(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}
