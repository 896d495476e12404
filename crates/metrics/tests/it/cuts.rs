//! A flush that is cut off at every single operation on the disk, by a power cut or by a failure that goes away again.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use blocks::disk::{Disk, ReadFile, WriteFile};
use blocks::faults::FaultyDisk;
use metrics::Store;
use model::{
    Exemplar, ExemplarRow, Labels, Metadata, MetricType, Sample, SelectRequest, SeriesSource, Tenant, TimeRange,
    Timestamp, WriteBatch, WriteRow, stale_nan,
};

use crate::support::{NOW, append, clock, labels, options, read_set};

/// A disk on which only so many changes succeed.
#[derive(Clone, Debug)]
struct CutDisk {
    disk: FaultyDisk,
    left: Arc<AtomicI64>,
}

impl CutDisk {
    fn step(&self) -> io::Result<()> {
        let is_cut = self.left.fetch_sub(1, Ordering::SeqCst) <= 0;
        if is_cut { Err(io::Error::other("cut off")) } else { Ok(()) }
    }
}

struct CutFile(Box<dyn WriteFile>, CutDisk);

impl WriteFile for CutFile {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.1.step()?;
        self.0.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.1.step()?;
        self.0.sync()
    }
}

impl Disk for CutDisk {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.disk.create_dir_all(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.disk.list(dir)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        self.step()?;
        Ok(Box::new(CutFile(self.disk.create(path)?, self.clone())))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        self.step()?;
        Ok(Box::new(CutFile(self.disk.append(path)?, self.clone())))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn ReadFile>> {
        self.disk.open(path)
    }

    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        self.step()?;
        self.disk.truncate(path, length)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        self.disk.rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        self.disk.link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        self.disk.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.step()?;
        self.disk.sync_dir(dir)
    }
}

fn tenants() -> [Tenant; 2] {
    [Tenant::default(), Tenant::new("other").unwrap()]
}

fn exemplar(t: i64) -> Exemplar {
    let labels = Labels::from_pairs([("trace_id", t.to_string())]);
    Exemplar { labels, value: t as f64, timestamp: Some(Timestamp(NOW + t)) }
}

fn family(tenant: &Tenant) -> (String, Metadata) {
    let help = format!("Of {tenant}.");
    ("m".to_owned(), Metadata { metric_type: MetricType::Counter, help, unit: String::new() })
}

/// Everything of a round, for each tenant: series that go on, one that ends, one that begins, exemplars, metadata.
fn write(store: &Store, round: i64) {
    for tenant in tenants() {
        let mut batch = WriteBatch { tenant: tenant.clone(), ..WriteBatch::default() };
        for n in 0..5 {
            batch.rows.push(WriteRow {
                labels: labels("m", &n.to_string()),
                hint: None,
                sample: Sample::float(Timestamp(NOW + round), (round * n) as f64),
                exemplars: if n == 0 { vec![exemplar(round)] } else { Vec::new() },
            });
        }
        let brief = labels("brief", &round.to_string());
        batch.push(brief.clone(), None, Sample::float(Timestamp(NOW + round), 1.0));
        batch.push(brief, None, Sample::float(Timestamp(NOW + round + 1), stale_nan()));
        batch.metadata.push(family(&tenant));
        assert!(append(store, batch).unwrap().rejected.is_empty());
        // An exemplar whose series has no sample in this flush, where this round is the last.
        let lonely = ExemplarRow { labels: labels("m", "1"), hint: None, exemplars: vec![exemplar(1000 + round)] };
        append(store, WriteBatch { tenant, exemplars: vec![lonely], ..WriteBatch::default() }).unwrap();
    }
}

fn check(store: &Store, rounds: i64, what: &str) {
    for tenant in tenants() {
        let request =
            SelectRequest { tenant: &tenant, matchers: &[], range: TimeRange::ALL, projection: None, memory: None };
        let set = store.select(&request).unwrap();
        let found = read_set(&*set, TimeRange::ALL);
        assert_eq!((found.len() as i64, set.warnings()), (5 + rounds, Vec::new()), "{what}");
        for n in 0..5 {
            let samples = &found[&labels("m", &n.to_string())];
            assert_eq!(samples.timestamps, (0..rounds).map(|r| NOW + r).collect::<Vec<_>>(), "{what}");
            assert_eq!(samples.values, (0..rounds).map(|r| (r * n) as f64).collect::<Vec<_>>(), "{what}");
        }
        for round in 0..rounds {
            assert_eq!(found[&labels("brief", &round.to_string())].len(), 2, "{what}");
        }
        let exemplars = store.exemplars(&tenant, &[], TimeRange::ALL).unwrap();
        let found: Vec<Vec<Exemplar>> = exemplars.into_iter().map(|series| series.exemplars).collect();
        let expected = [0, 1000].map(|from| (from..from + rounds).map(exemplar).collect::<Vec<_>>());
        assert_eq!(found, expected, "{what}");
        assert_eq!(store.metadata(&tenant, 0, None).unwrap(), [family(&tenant)], "{what}");
    }
    assert_eq!(store.tenants(), tenants());
}

fn open(disk: impl Disk + 'static) -> (Arc<Store>, metrics::RecoveryReport) {
    Store::open_on(Arc::new(disk), Path::new("/data"), options(), clock()).unwrap()
}

/// Two flushes succeed, so that there is something to keep and to remove; the third is cut off after `steps` changes.
/// Answers whether it was.
fn cut_off(seed: u64, steps: i64, is_power_cut: bool) -> bool {
    let disk = FaultyDisk::new(seed);
    let cut = CutDisk { disk: disk.clone(), left: Arc::new(AtomicI64::new(i64::MAX)) };
    let (store, _) = open(cut.clone());
    for round in 0..3 {
        write(&store, round);
        if round < 2 {
            store.flush().unwrap();
        }
    }
    cut.left.store(steps, Ordering::SeqCst);
    let result = store.flush();
    let was_cut = cut.left.load(Ordering::SeqCst) < 0;
    assert!(was_cut || result.is_ok());
    let what = format!("seed {seed}, {steps} steps, power cut: {is_power_cut}");
    check(&store, 3, &what);
    if is_power_cut {
        disk.crash();
        drop(store);
    } else {
        cut.left.store(i64::MAX, Ordering::SeqCst);
        write(&store, 3);
        check(&store, 4, &what);
        store.flush().unwrap();
        store.maintain().unwrap();
        check(&store, 4, &what);
        drop(store);
        disk.crash();
    }
    let rounds = if is_power_cut { 3 } else { 4 };
    let (store, report) = open(disk.clone());
    assert!(!report.found_damage(), "{what}: {report:?}");
    check(&store, rounds, &what);
    store.flush().unwrap();
    check(&store, rounds, &what);
    drop(store);
    let (store, _) = open(disk);
    check(&store, rounds, &what);
    was_cut
}

#[test]
fn a_flush_may_be_cut_off_anywhere() {
    for is_power_cut in [false, true] {
        for seed in 0..if is_power_cut { 8 } else { 1 } {
            let mut steps = 0;
            while cut_off(seed, steps, is_power_cut) {
                steps += 1;
            }
            assert!(steps > 15, "a flush takes more than {steps} steps");
        }
    }
}
