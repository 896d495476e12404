//! How fast and how small: run by hand, in a release build:
//! `cargo test --release -p ship --test it -- --ignored --nocapture --test-threads 1 speed`.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use config::Environment;
use model::{LogBatch, LogFuture, LogReport, LogSink};
use ship::Destination;

use crate::harness::Place;
use crate::receiver::pause;

const BYTES: usize = 128 << 20;

/// Takes everything and keeps nothing.
#[derive(Default)]
struct Nothing(AtomicU64);

impl LogSink for Nothing {
    fn append(&self, batch: LogBatch) -> LogFuture {
        self.0.fetch_add(batch.len() as u64, Ordering::SeqCst);
        Box::pin(async move { Ok(LogReport { stored: batch.len() as u64, rejected: Vec::new() }) })
    }
}

/// Seconds of processor time that this process has taken.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit(')').next().unwrap();
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    ticks / 100.0
}

fn peak_memory_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<f64>().unwrap() / 1024.0
}

#[allow(clippy::print_stdout)] // a measurement is for the reader
fn measure(what: &str, line: impl Fn(u64) -> String, stages: &str) {
    let place = Place::new();
    let mut text = String::with_capacity(1 << 20);
    let (mut lines, mut bytes) = (0, 0);
    while bytes < BYTES {
        text.clear();
        for _ in 0..2000 {
            writeln!(text, "{}", line(lines)).unwrap();
            lines += 1;
        }
        bytes += text.len();
        let mut file = fs::OpenOptions::new().create(true).append(true).open(place.path("a.log")).unwrap();
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
    }
    let config = place.config("http://nobody:1/", "*.log", stages);
    let loaded = config::load_promtail_text(&config, Path::new("promtail.yaml"), &Environment::default()).unwrap();
    let sink = Arc::new(Nothing::default());
    let before = cpu_seconds();
    let running = place.start_with(&loaded, Destination::Sink { sink: sink.clone(), stands_for: Arc::new(|_| true) });
    while sink.0.load(Ordering::SeqCst) < lines {
        pause(10);
    }
    let spent = cpu_seconds() - before;
    running.stop();
    let rate = bytes as f64 / 1e6 / spent;
    println!(
        "{what}: {lines} lines, {:.0} MB, {spent:.2} CPU s, {rate:.0} MB per CPU s, peak memory {:.0} MiB",
        bytes as f64 / 1e6,
        peak_memory_mib()
    );
}

#[test]
#[ignore = "a measurement"]
fn speed_plain() {
    let line = |n: u64| {
        format!(
            "2026-01-01T00:00:{:02}.{:03}Z INFO request {n} from 10.0.{}.{} took {} ms and said {:016x}",
            n % 60,
            n % 1000,
            n % 200,
            n % 250,
            n % 977,
            n.wrapping_mul(0x9e37_79b9_7f4a_7c15)
        )
    };
    measure("plain", line, "");
}

#[test]
#[ignore = "a measurement"]
fn speed_json_and_regex() {
    let line = |n: u64| {
        format!(
            r#"{{"timestamp":"2026-01-01T00:00:{:02}.{:03}Z","level":"{}","logger":"app.http","message":"GET /api/items/{n} took {} ms","service_name":"svc-{}","trace_id":"{:032x}","status":{},"user":{{"id":"u{}"}}}}"#,
            n % 60,
            n % 1000,
            ["info", "warn", "error"][(n % 3) as usize],
            n % 977,
            n % 20,
            u128::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15_9e37_79b9),
            200 + n % 4 * 100,
            n % 20_000
        )
    };
    let stages = "    pipeline_stages:\n      - json: {expressions: {level: , message: , service: service_name, trace: trace_id, user: user.id}}\n      \
                  - regex: {source: message, expression: '^(?P<method>[A-Z]+) \\S+ took (?P<ms>\\d+) ms$'}\n      \
                  - labels: {level: , service: , method: }\n      - structured_metadata: {trace: , user: }\n";
    measure("json and regex", line, stages);
}
