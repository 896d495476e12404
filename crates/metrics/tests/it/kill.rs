//! A real process, killed for real. The test binary starts itself as the child.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use metrics::{Store, StoreOptions};
use model::{Sample, SampleSink, SystemClock, TimeRange, Timestamp, WriteBatch};

use crate::support::{labels, read_all};

const DIR: &str = "AFFERENT_KILL_TEST_DIR";
const TARGETS: i64 = 20;
const SERIES: i64 = 50;

fn options() -> StoreOptions {
    // Small, so that the kill meets segments, flushes and merges at work.
    StoreOptions {
        wal_segment_bytes: 64 << 10,
        flush_interval: Duration::from_millis(1),
        retention_ms: i64::MAX / 4,
        background: false,
        ..StoreOptions::default()
    }
}

/// What the child does until it is killed: scrapes of 50 series, each answered on stdout once it is acknowledged.
#[test]
fn child() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let (store, _) = Store::open(&PathBuf::from(dir), options(), Arc::new(SystemClock)).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let begun = read_all(&store, &[], TimeRange::ALL).values().filter_map(|s| s.timestamps.last().copied()).max();
    let upkeep = store.clone();
    std::thread::spawn(move || {
        loop {
            upkeep.maintain().unwrap();
        }
    });
    for round in begun.unwrap_or(0) + 1.. {
        let scrapes = (0..TARGETS).map(|target| {
            let mut batch = WriteBatch::default();
            for series in 0..SERIES {
                let labels = labels(&format!("m{series}"), &target.to_string());
                batch.push(labels, None, Sample::float(Timestamp(round), (round * series) as f64));
            }
            let append = store.append(batch);
            async move {
                append.await.unwrap();
                println!("ack {target} {round}");
            }
        });
        let running: Vec<_> = scrapes.map(|scrape| runtime.spawn(scrape)).collect();
        running.into_iter().for_each(|task| runtime.block_on(task).unwrap());
    }
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
    for life in 0..4 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["kill::child", "--exact", "--nocapture"])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut seen = 0;
        let wanted = 150 + life * 173;
        for line in lines.map_while(Result::ok) {
            // The harness writes "test ... " in front of the first line.
            let Some((_, ack)) = line.rsplit_once("ack ") else { continue };
            let mut numbers = ack.split(' ').map(|n| n.parse::<i64>());
            if let (Some(Ok(target)), Some(Ok(round))) = (numbers.next(), numbers.next()) {
                acknowledged.entry(target).or_default().insert(round);
                seen += 1;
            }
            if seen == wanted {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(seen >= wanted, "life {life} acknowledged {seen}");
        let begun = Instant::now();
        let (store, report) = Store::open(dir.path(), options(), Arc::new(SystemClock)).unwrap();
        assert!(begun.elapsed() < Duration::from_secs(2), "start took {:?}", begun.elapsed());
        assert!(!report.found_damage(), "{report:?}");
        let found = read_all(&store, &[], TimeRange::ALL);
        for (target, rounds) in &acknowledged {
            for series in 0..SERIES {
                let samples = &found[&labels(&format!("m{series}"), &target.to_string())];
                let found: BTreeSet<i64> = samples.timestamps.iter().copied().collect();
                assert!(found.is_superset(rounds), "life {life}, target {target}, series {series}");
                for (t, v) in samples.timestamps.iter().zip(&samples.values) {
                    assert_eq!(*v, (t * series) as f64);
                }
            }
        }
    }
}
