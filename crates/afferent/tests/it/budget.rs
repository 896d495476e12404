//! More series than fit, and queries that want more than they may have: the process refuses and goes on.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use model::{Clock, SystemClock};

use crate::harness::{Server, http_get, raw_get, url_encode, wait_for};

const BUDGET: u64 = 256 << 20;
/// A wall far behind the budget: allocators reserve much more than they use.
const ADDRESS_SPACE: u64 = 4 << 30;
const SERIES_OF_BATCH: u32 = 2000;
/// How long it is pushed, and at most where the machine is slow.
const PRESSURE: Duration = Duration::from_secs(8);
const LONGEST_PRESSURE: Duration = Duration::from_secs(40);
/// Refusals that are enough.
const REFUSALS: u64 = 20;

const QUERIES: [&str; 5] = [
    "{__name__=~\"pressure.*\"}",
    "sum by (instance) (rate(pressure_total[5m]))",
    "pressure_total * on (batch, instance, series, pod, path) pressure_total",
    "max_over_time(pressure_total[10m:1s])",
    "count(pressure_total)",
];
const LOOK_UPS: [&str; 5] = [
    "/api/v1/series?match[]=pressure_total",
    "/api/v1/label/pod/values",
    "/federate?match[]=pressure_total",
    "/api/v1/query_range?query=pressure_total&start=0&end=600&step=60",
    "/api/afferent/v1/status/cardinality?label=pod&limit=10000",
];

/// Answers by status; and of those without success, which had no `Retry-After`.
#[derive(Debug, Default)]
struct Answers {
    by_status: BTreeMap<u16, u64>,
    without_retry_after: u64,
}

impl Answers {
    fn note(&mut self, answer: &Answer) {
        *self.by_status.entry(answer.status).or_default() += 1;
        let is_refused = matches!(answer.status, 429 | 503);
        self.without_retry_after += u64::from(is_refused && !answer.has_retry_after);
    }

    fn count(&self, statuses: &[u16]) -> u64 {
        statuses.iter().filter_map(|status| self.by_status.get(status)).sum()
    }
}

struct Answer {
    status: u16,
    has_retry_after: bool,
}

#[test]
fn at_its_budget_it_refuses_and_lives() {
    let mut server = Server::start_limited("scrape_configs: []\n", BUDGET, ADDRESS_SPACE);
    let (next, stop) = (AtomicU32::new(0), AtomicBool::new(false));
    let acknowledged = Mutex::new(Vec::new());
    let (writes, reads) = (Mutex::new(Answers::default()), Mutex::new(Answers::default()));
    let time_ms = SystemClock.now().ms();
    let url = server.url.clone();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let batch = next.fetch_add(1, Ordering::Relaxed);
                    let answer = write(&url, &request(batch, time_ms)).expect("writes are answered");
                    writes.lock().unwrap().note(&answer);
                    match answer.status {
                        204 => acknowledged.lock().unwrap().push(batch),
                        _ => std::thread::park_timeout(Duration::from_millis(20)),
                    }
                }
            });
        }
        for reader in 0..2 {
            let (url, reads, stop) = (&url, &reads, &stop);
            scope.spawn(move || {
                let queries = QUERIES.iter().map(|query| format!("/api/v1/query?query={}", url_encode(query)));
                let targets: Vec<String> = queries.chain(LOOK_UPS.map(str::to_owned)).collect();
                for target in targets.iter().cycle().skip(reader * LOOK_UPS.len()) {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let answer = ask(url, &format!("GET {target} HTTP/1.0\r\n"), &[]).expect("queries are answered");
                    reads.lock().unwrap().note(&answer);
                }
            });
        }
        let begin = Instant::now();
        wait_for(LONGEST_PRESSURE, || {
            let refused = writes.lock().unwrap().count(&[429, 503]);
            begin.elapsed() > PRESSURE && refused > REFUSALS && reads.lock().unwrap().count(&[200]) > 0
        });
        stop.store(true, Ordering::Relaxed);
    });
    let (writes, reads) = (writes.into_inner().unwrap(), reads.into_inner().unwrap());
    assert!(server.child().try_wait().unwrap().is_none(), "the process ended: {writes:?} {reads:?}");
    let peak = peak_memory(server.child().id());
    println!("writes {writes:?}, reads {reads:?}, peak {} MiB", peak >> 20);
    assert!(writes.count(&[204]) > 0 && writes.count(&[429, 503]) > 0, "{writes:?}");
    assert_eq!(writes.count(&[204, 429, 503]), writes.by_status.values().sum::<u64>(), "{writes:?}");
    assert!(reads.count(&[200]) > 0, "{reads:?}");
    assert_eq!(reads.count(&[200, 422, 503]), reads.by_status.values().sum::<u64>(), "{reads:?}");
    assert_eq!((writes.without_retry_after, reads.without_retry_after), (0, 0));
    assert!(peak < BUDGET, "{} MiB were used of {} MiB", peak >> 20, BUDGET >> 20);

    let expected = SERIES_OF_BATCH.to_string();
    let time = time_ms as f64 / 1000.0 + 1.0;
    for batch in acknowledged.into_inner().unwrap() {
        let query = url_encode(&format!("count(pressure_total{{batch=\"{batch}\"}})"));
        let mut answer = (0, serde_json::Value::Null);
        // What the pressure left is given back by and by; until then clients are asked to come again.
        wait_for(LONGEST_PRESSURE, || {
            answer = http_get(&server.url, &format!("/api/v1/query?query={query}&time={time}"));
            answer.0 != 503
        });
        assert_eq!(answer.1["data"]["result"][0]["value"][1], expected.as_str(), "batch {batch}: {}", answer.1);
    }
    let (status, body) = http_get(&server.url, "/api/afferent/v1/status/store");
    assert_eq!(status, 200);
    let memory = &body["data"]["memory"];
    assert_eq!((&memory["budget"], &memory["queries"]), (&BUDGET.into(), &0.into()), "{memory}");
    let (_, page) = raw_get(&server.url, "/metrics").unwrap();
    let page = String::from_utf8(page).unwrap();
    let counter = "afferent_remote_write_refused_requests_total{reason=\"over_budget\"}";
    assert!(page.contains(counter), "{page}");
}

/// Highest resident memory so far, in bytes.
fn peak_memory(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() * 1024
}

/// A message of Remote-Write 1.0 with new series of one sample each.
fn request(batch: u32, time_ms: i64) -> Vec<u8> {
    let mut message = Vec::new();
    for series in 0..SERIES_OF_BATCH {
        let mut one = Vec::new();
        let labels = [
            ("__name__", "pressure_total".to_owned()),
            ("batch", batch.to_string()),
            ("instance", format!("10.0.{}.{}:9100", series % 7, series % 31)),
            ("path", format!("/api/v1/resource/{}", series % 97)),
            ("pod", format!("service-{batch}-{series:05}-abcdef")),
            ("series", series.to_string()),
        ];
        for (name, value) in labels {
            let mut label = Vec::new();
            field(&mut label, 1, name.as_bytes());
            field(&mut label, 2, value.as_bytes());
            field(&mut one, 1, &label);
        }
        let mut sample = vec![1 << 3 | 1];
        sample.extend_from_slice(&f64::from(series).to_le_bytes());
        sample.push(2 << 3);
        varint(&mut sample, time_ms as u64);
        field(&mut one, 2, &sample);
        field(&mut message, 1, &one);
    }
    snap::raw::Encoder::new().compress_vec(&message).unwrap()
}

fn field(out: &mut Vec<u8>, number: u8, content: &[u8]) {
    out.push(number << 3 | 2);
    varint(out, content.len() as u64);
    out.extend_from_slice(content);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn write(url: &str, body: &[u8]) -> std::io::Result<Answer> {
    let length = body.len();
    let head = format!(
        "POST /api/v1/write HTTP/1.0\r\ncontent-type: application/x-protobuf\r\ncontent-encoding: snappy\r\n\
         content-length: {length}\r\n"
    );
    ask(url, &head, body)
}

/// Sends a request over a fresh connection and reads the answer to its end, without keeping it.
fn ask(url: &str, head: &str, body: &[u8]) -> std::io::Result<Answer> {
    let host = url.trim_start_matches("http://");
    let mut stream = std::net::TcpStream::connect(host)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    stream.write_all(format!("{head}host: {host}\r\n\r\n").as_bytes())?;
    stream.write_all(body)?;
    let mut start = Vec::new();
    let mut piece = vec![0; 64 << 10];
    loop {
        let length = stream.read(&mut piece)?;
        if length == 0 {
            break;
        }
        if start.len() < 4096 {
            start.extend_from_slice(&piece[..length]);
        }
    }
    let text = String::from_utf8_lossy(&start);
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    let headers = text.split("\r\n\r\n").next().unwrap_or_default().to_ascii_lowercase();
    Ok(Answer {
        status: status.ok_or_else(|| std::io::Error::other("no status line"))?,
        has_retry_after: headers.contains("\r\nretry-after:"),
    })
}
