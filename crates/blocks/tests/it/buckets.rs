//! Buckets: a real S3 server in the test, and a directory that plays one.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use blocks::files::{FileStore, RemoteFiles, RemoteOptions};
use prometheus_client::registry::Registry;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tempfile::TempDir;

use crate::s3::{Fault, KEY, S3, SECRET};

const MIB: usize = 1 << 20;
const PIECE: usize = 32 << 10;

struct Bench {
    dir: TempDir,
    s3: S3,
}

impl Bench {
    fn new() -> Bench {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("root/bucket")).unwrap();
        let s3 = S3::start(&dir.path().join("root"));
        Bench { dir, s3 }
    }

    fn options(&self, cache_bytes: u64) -> RemoteOptions {
        let mut options = RemoteOptions::new(self.dir.path().join("cache"), cache_bytes);
        options.piece_bytes = PIECE as u64;
        options.part_bytes = 5 * MIB as u64;
        options.first_pause = Duration::from_millis(1);
        options.time_limit = Duration::from_secs(30);
        options.settings = [
            ("aws_endpoint", self.s3.endpoint.as_str()),
            ("aws_allow_http", "true"),
            ("aws_region", "us-east-1"),
            ("aws_access_key_id", KEY),
            ("aws_secret_access_key", SECRET),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
        options
    }

    fn open(&self, cache_bytes: u64) -> RemoteFiles {
        RemoteFiles::open("s3://bucket/afferent/metrics", self.options(cache_bytes)).unwrap()
    }

    fn local(&self, bytes: &[u8]) -> PathBuf {
        let path = self.dir.path().join("local");
        fs::write(&path, bytes).unwrap();
        path
    }

    fn put(&self, files: &RemoteFiles, name: &str, length: usize, seed: u64) -> Vec<u8> {
        let bytes = noise(length, seed);
        files.put(name, &self.local(&bytes)).unwrap();
        bytes
    }

    fn cached(&self) -> Vec<PathBuf> {
        fs::read_dir(self.dir.path().join("cache")).unwrap().map(|entry| entry.unwrap().path()).collect()
    }
}

fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; length];
    StdRng::seed_from_u64(seed).fill(&mut bytes[..]);
    bytes
}

fn read(files: &dyn FileStore, name: &str, at: usize, length: usize) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; length];
    files.open(name)?.read_at(&mut buffer, at as u64)?;
    Ok(buffer)
}

fn counter(files: &RemoteFiles, name: &str) -> f64 {
    let mut registry = Registry::default();
    files.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let named = |line: &&str| line.starts_with(&format!("afferent_bucket_{name}"));
    text.lines().filter(named).map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

/// What every kind of bucket must do.
fn exercise(files: &dyn FileStore, dir: &Path) {
    assert_eq!(files.list().unwrap(), []);
    let path = dir.join("local");
    fs::write(&path, b"hello").unwrap();
    files.put("a.parquet", &path).unwrap();
    assert!(!path.exists());
    files.put_bytes("catalogue.json", b"{}").unwrap();
    files.put_bytes("catalogue.json", b"{\"a\":1}").unwrap();
    assert_eq!(files.read("catalogue.json").unwrap(), b"{\"a\":1}");
    let listed: Vec<(String, u64)> = files.list().unwrap().into_iter().map(|file| (file.name, file.bytes)).collect();
    assert_eq!(listed, [("a.parquet".to_owned(), 5), ("catalogue.json".to_owned(), 7)]);
    assert_eq!(read(files, "a.parquet", 1, 3).unwrap(), b"ell");
    assert_eq!(read(files, "a.parquet", 1, 5).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    assert_eq!(read(files, "b", 0, 1).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(files.read("b").unwrap_err().kind(), ErrorKind::NotFound);
    files.copy_out("a.parquet", &dir.join("copy")).unwrap();
    assert_eq!(fs::read(dir.join("copy")).unwrap(), b"hello");
    assert_eq!(files.copy_out("a.parquet", &dir.join("copy")).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(files.open("../x").unwrap_err().kind(), ErrorKind::InvalidInput);
    // an empty file
    fs::write(&path, b"").unwrap();
    files.put("empty", &path).unwrap();
    assert_eq!(files.open("empty").unwrap().len().unwrap(), 0);
    assert_eq!(files.read("empty").unwrap(), b"");
    // a file of the same name takes the place of the first
    fs::write(&path, b"HELLO!").unwrap();
    files.put("a.parquet", &path).unwrap();
    assert_eq!(read(files, "a.parquet", 0, 6).unwrap(), b"HELLO!");
    for _ in 0..2 {
        files.remove("a.parquet").unwrap();
    }
    assert_eq!(files.open("a.parquet").unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn s3_keeps_files() {
    let bench = Bench::new();
    exercise(&bench.open(MIB as u64), bench.dir.path());
    assert!(bench.dir.path().join("root/bucket/afferent/metrics/empty").exists());
}

#[test]
fn s3_keeps_files_without_a_cache() {
    let bench = Bench::new();
    exercise(&bench.open(0), bench.dir.path());
    assert!(bench.cached().is_empty());
}

#[test]
fn a_directory_keeps_files() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("file://{}", dir.path().join("bucket").display());
    let files = RemoteFiles::open(&url, RemoteOptions::new(dir.path().join("cache"), 1 << 20)).unwrap();
    assert_eq!(files.describe(), url);
    exercise(&files, dir.path());
}

#[test]
fn a_long_file_goes_in_parts_and_comes_in_ranges() {
    let bench = Bench::new();
    let files = bench.open(0);
    let bytes = bench.put(&files, "long", 23 * MIB + 17, 1);
    let parts = bench.s3.seen().iter().filter(|line| line.contains("partNumber=")).count();
    assert_eq!(parts, 5);
    let mut random = StdRng::seed_from_u64(2);
    for _ in 0..20 {
        let at = random.random_range(0..bytes.len());
        let length = random.random_range(0..=(bytes.len() - at).min(3 * MIB));
        assert!(read(&files, "long", at, length).unwrap() == bytes[at..at + length]);
    }
    let to = bench.dir.path().join("copy");
    files.copy_out("long", &to).unwrap();
    assert!(fs::read(to).unwrap() == bytes);
}

#[test]
fn the_cache_answers_and_stays_in_its_bounds() {
    let bench = Bench::new();
    let capacity = 10 * (PIECE + 64) as u64;
    let writer = bench.open(0);
    let bytes = bench.put(&writer, "f", 20 * PIECE + 100, 3);
    let files = bench.open(capacity);
    let file = files.open("f").unwrap();
    bench.s3.seen();
    // the first read fetches whole pieces, the second nothing
    for _ in 0..2 {
        assert!(read(&files, "f", PIECE + 5, 2 * PIECE).unwrap() == bytes[PIECE + 5..3 * PIECE + 5]);
    }
    let seen = bench.s3.seen();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert!(seen[0].ends_with(&format!("bytes={}-{}", PIECE, 4 * PIECE - 1)), "{seen:?}");
    let mut random = StdRng::seed_from_u64(4);
    for _ in 0..500 {
        let at = random.random_range(0..bytes.len());
        let length = random.random_range(0..=(bytes.len() - at).min(3 * PIECE));
        let mut buffer = vec![0; length];
        file.read_at(&mut buffer, at as u64).unwrap();
        assert!(buffer == bytes[at..at + length], "{at} {length}");
        let used: u64 = bench.cached().iter().map(|path| path.metadata().unwrap().len()).sum();
        assert!(used <= capacity, "{used}");
        assert_eq!(used as f64, counter(&files, "cache_bytes"));
    }
    assert!(counter(&files, "cache_hits_total") > 100.0);
    assert!(counter(&files, "cache_evictions_total") > 100.0);
    assert_eq!(counter(&files, "cache_damaged_total"), 0.0);
    // the last pieces are found again after a restart, and go when the file does
    drop((file, files));
    let kept = bench.cached().len();
    assert!(kept > 5);
    let files = bench.open(capacity);
    assert_eq!(bench.cached().len(), kept);
    bench.s3.seen();
    files.open("f").unwrap();
    files.remove("f").unwrap();
    assert!(bench.cached().is_empty());
    // another size of pieces makes the old ones useless
    bench.put(&files, "f", PIECE, 1);
    assert_eq!(bench.cached().len(), 1);
    drop(files);
    let options = RemoteOptions { piece_bytes: 2 * PIECE as u64, ..bench.options(capacity) };
    RemoteFiles::open("s3://bucket/afferent/metrics", options).unwrap();
    assert!(bench.cached().is_empty());
}

#[test]
fn what_is_uploaded_is_in_the_cache() {
    let bench = Bench::new();
    let files = bench.open(20 * MIB as u64);
    let bytes = bench.put(&files, "f", 11 * MIB + 5, 3);
    bench.s3.seen();
    assert!(read(&files, "f", 0, bytes.len()).unwrap() == bytes);
    let seen = bench.s3.seen();
    assert!(seen.len() <= 3, "{seen:?}"); // the pieces on a part's edge are fetched
}

#[test]
fn damage_in_the_cache_is_never_read() {
    let bench = Bench::new();
    let files = bench.open(MIB as u64);
    let bytes = bench.put(&files, "f", 3 * PIECE + 100, 3);
    let mut random = StdRng::seed_from_u64(5);
    for round in 0..60 {
        for path in bench.cached() {
            let mut piece = fs::read(&path).unwrap();
            match round % 3 {
                0 => piece.truncate(random.random_range(0..piece.len())),
                1 => {
                    let at = random.random_range(0..piece.len());
                    piece[at] ^= 1 << random.random_range(0..8);
                }
                _ => {
                    fs::remove_file(path).unwrap();
                    continue;
                }
            }
            fs::write(path, piece).unwrap();
        }
        assert!(read(&files, "f", 0, bytes.len()).unwrap() == bytes, "{round}");
    }
    assert!(counter(&files, "cache_damaged_total") >= 20.0);
}

#[test]
fn a_server_that_fails_now_and_then_is_asked_again() {
    let bench = Bench::new();
    let options = RemoteOptions { request_timeout: Duration::from_secs(1), ..bench.options(0) };
    let files = RemoteFiles::open("s3://bucket/afferent/metrics", options).unwrap();
    let late = Fault::Late(Duration::from_millis(1500));
    bench.s3.plan(&[Fault::Busy, Fault::Busy], Fault::None);
    let bytes = bench.put(&files, "short", 1000, 1);
    bench.s3.plan(&[Fault::Busy, late, Fault::None, Fault::Busy], Fault::None);
    let long = bench.put(&files, "long", 11 * MIB, 2);
    for fault in [Fault::Busy, Fault::Closed, late] {
        bench.s3.plan(&[fault, fault], Fault::None);
        assert!(read(&files, "short", 10, 100).unwrap() == bytes[10..110], "{fault:?}");
        bench.s3.plan(&[fault], Fault::None);
        assert!(read(&files, "long", MIB, 9 * MIB).unwrap() == long[MIB..10 * MIB], "{fault:?}");
        bench.s3.plan(&[fault], Fault::None);
        assert_eq!(files.list().unwrap().len(), 2);
    }
    assert!(counter(&files, "failed_requests_total") >= 8.0);
    assert_eq!(counter(&files, "failures_total"), 0.0);
}

#[test]
fn an_upload_whose_last_answer_is_lost_is_there() {
    let bench = Bench::new();
    let files = bench.open(0);
    for seed in 0..2 {
        // a look, the start, three parts, the end
        bench.s3.plan(&[[Fault::None; 5].as_slice(), &[Fault::Lost]].concat(), Fault::None);
        let bytes = bench.put(&files, "f", 11 * MIB, seed);
        assert!(bench.s3.seen().iter().filter(|line| line.contains("uploadId=")).count() > 4);
        assert!(files.read("f").unwrap() == bytes);
    }
    // the end never comes: the file that was there stays
    let old = files.read("f").unwrap();
    bench.s3.plan(&[Fault::None; 2], Fault::Closed);
    let options = RemoteOptions { time_limit: Duration::from_millis(300), ..bench.options(0) };
    let files = RemoteFiles::open("s3://bucket/afferent/metrics", options).unwrap();
    assert!(files.put("f", &bench.local(&noise(11 * MIB, 9))).is_err());
    bench.s3.plan(&[], Fault::None);
    assert!(files.read("f").unwrap() == old);
}

#[test]
fn a_server_that_is_down_costs_the_time_limit_and_no_more() {
    let bench = Bench::new();
    let (request_timeout, time_limit) = (Duration::from_millis(500), Duration::from_secs(1));
    let options = RemoteOptions { request_timeout, time_limit, ..bench.options(0) };
    let files = RemoteFiles::open("s3://bucket/afferent/metrics", options).unwrap();
    let bytes = bench.put(&files, "f", 1000, 1);
    for fault in [Fault::Busy, Fault::Closed, Fault::Late(Duration::from_secs(60))] {
        bench.s3.plan(&[], fault);
        let start = Instant::now();
        let error = read(&files, "f", 0, 10).unwrap_err();
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
        let text = error.to_string();
        assert!(text.starts_with("s3://bucket/afferent/metrics: cannot read f: "), "{text}");
    }
    assert_eq!(counter(&files, "failures_total"), 3.0);
    // a failed put leaves the local file
    bench.s3.plan(&[], Fault::Busy);
    let local = bench.local(b"again");
    let error = files.put("g", &local).unwrap_err().to_string();
    assert!(error.contains("SlowDown"), "{error}");
    bench.s3.plan(&[], Fault::None);
    files.put("g", &local).unwrap();
    assert!(read(&files, "f", 0, 1000).unwrap() == bytes);
}

#[test]
fn a_server_that_never_answered_costs_little() {
    let bench = Bench::new();
    let options = RemoteOptions { first_limit: Duration::from_millis(200), ..bench.options(0) };
    let files = RemoteFiles::open("s3://bucket/afferent/metrics", options).unwrap();
    bench.s3.plan(&[], Fault::Busy);
    let start = Instant::now();
    files.list().unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(15), "the limit of later operations is 30 s: {:?}", start.elapsed());
    // From the first answer on, it is given its time.
    bench.s3.plan(&[], Fault::None);
    files.list().unwrap();
    let late = Fault::Late(Duration::from_millis(600));
    bench.s3.plan(&[late], Fault::None);
    bench.s3.seen();
    files.list().unwrap();
    assert_eq!(bench.s3.seen().len(), 1, "the first attempt was waited for");
}

#[test]
fn refused_credentials_are_explained_and_not_shown() {
    let bench = Bench::new();
    for (wrong, value) in [("aws_secret_access_key", "wrong-secret"), ("aws_access_key_id", "wrong-key")] {
        let mut options = bench.options(0);
        options.settings.push((wrong.to_owned(), value.to_owned()));
        assert!(!format!("{options:?}").contains("secret-never"));
        let files = RemoteFiles::open("s3://bucket/x", options).unwrap();
        assert_eq!(format!("{files:?}"), "RemoteFiles(\"s3://bucket/x\")");
        let local = bench.local(b"hello");
        let refused = [
            files.list().unwrap_err(),
            files.put("f", &local).unwrap_err(),
            files.read("f").unwrap_err(),
            files.remove("f").unwrap_err(),
        ];
        for error in refused {
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
            let text = error.to_string();
            assert!(
                text.contains("the credentials were refused") && text.starts_with("s3://bucket/x: cannot"),
                "{text}"
            );
            assert!(!text.contains(SECRET) && !text.contains("wrong-secret"), "{text}");
        }
    }
    let files = RemoteFiles::open("s3://nobucket/x", bench.options(0)).unwrap();
    let error = files.list().unwrap_err();
    assert!(error.to_string().contains("no such bucket"), "{error}");
}

#[test]
fn any_thread_may_ask_and_one_fetch_serves_all() {
    let bench = Bench::new();
    let bytes = Arc::new(bench.put(&bench.open(0), "f", 8 * PIECE, 1));
    let files = bench.open(MIB as u64);
    files.open("f").unwrap();
    bench.s3.plan(&[Fault::Late(Duration::from_millis(200))], Fault::None);
    bench.s3.seen();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert!(read(&files, "f", 0, 8 * PIECE).unwrap() == *bytes));
        }
    });
    assert_eq!(bench.s3.seen().len(), 1);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let s3 = &bench.s3;
    runtime.block_on(async move {
        let other = files.clone();
        let got = tokio::task::spawn_blocking(move || read(&other, "f", 5, 10)).await.unwrap().unwrap();
        assert_eq!(got, bytes[5..15]);
        // in the runtime's own thread, as a mistake: it blocks, but it works
        s3.plan(&[], Fault::None);
        assert_eq!(read(&files, "f", 6, 10).unwrap(), bytes[6..16]);
        drop(files);
    });
}
