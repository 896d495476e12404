//! The same exposition through us and through the real Prometheus must give the same answers.
//!
//! One HTTP server offers an hour of samples with explicit timestamps, so that both sides store identical series, and then each
//! expression of `differential/queries.txt` is asked of both. Needs `AFFERENT_PEERS` (a directory with `usr/bin/prometheus`).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use model::{Clock, SystemClock};
use serde_json::Value;

use crate::harness::{Server, free_port, http_get, raw_get, url_encode, wait_for};

const STEP: i64 = 15;
const POINTS: i64 = 240;

#[test]
fn answers_equal_prometheus() {
    let Some(prometheus) = peer("prometheus") else {
        println!("skipped: differential test, no prometheus below AFFERENT_PEERS");
        return;
    };
    // Two hours ago, on the minute: recent enough for any retention, old enough to hold the hour of samples.
    let start = SystemClock.now().ms() / 60_000 * 60 - 7200;
    let exposition = ExpositionServer::start(exposition_text(start));
    let scrape = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n- job_name: d\n  static_configs: [{{targets: ['{}']}}]\n",
        exposition.address
    );
    let ours = Server::start(&scrape);
    let theirs = Prometheus::start(&prometheus, &scrape);
    let count = "count({job=\"d\",__name__!~\"up|scrape_.*\"})";
    wait_for_equal_counts(count, start, &ours.url, &theirs.url);

    assert_same_answers(&ours.url, &theirs.url, start);
}

/// Asks both servers everything in the list of queries about the data that begins at `start`.
pub(crate) fn assert_same_answers(ours: &str, theirs: &str, start: i64) {
    let mut differences = String::new();
    let mut asked = 0;
    for expression in include_str!("../differential/queries.txt").lines() {
        if expression.is_empty() || expression.starts_with('#') {
            continue;
        }
        for target in requests(&place_in_time(expression, start), start) {
            asked += 1;
            let (a, b) = (http_get(ours, &target), http_get(theirs, &target));
            if let Err(why) = same(&a, &b, expression.starts_with("sort")) {
                let _ = writeln!(differences, "{expression}\n  {target}\n  {why}");
            }
        }
    }
    assert!(asked > 400, "only {asked} questions were asked");
    assert!(differences.is_empty(), "{differences}");
}

pub(crate) fn peer(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os("AFFERENT_PEERS")?).join("usr/bin").join(name);
    path.exists().then_some(path)
}

/// An instant query in the middle, at the edge and after the data, and a range query over all of it.
pub(crate) fn requests(expression: &str, start: i64) -> Vec<String> {
    let query = url_encode(expression);
    let end = start + (POINTS - 1) * STEP;
    let mut targets: Vec<String> =
        [start + 1800, end, end + 200].iter().map(|time| format!("/api/v1/query?query={query}&time={time}")).collect();
    targets.push(format!("/api/v1/query_range?query={query}&start={}&end={}&step=47", start - 100, end + 400));
    targets
}

/// Puts the time of the first sample, moved by n seconds, in place of each `{START+n}`.
pub(crate) fn place_in_time(expression: &str, start: i64) -> String {
    let mut parts = expression.split("{START+");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (seconds, rest) = part.split_once('}').expect("a placeholder is closed");
        let _ = write!(out, "{}{rest}", start + seconds.parse::<i64>().expect("a placeholder holds seconds"));
    }
    out
}

pub(crate) fn wait_for_equal_counts(query: &str, start: i64, ours: &str, theirs: &str) {
    let target = format!("/api/v1/query?query={}&time={}", url_encode(query), start + 1800);
    let equal = wait_for(Duration::from_secs(30), || {
        let counts = [ours, theirs].map(|url| match raw_get(url, &target) {
            Ok((200, body)) => {
                serde_json::from_slice::<Value>(&body).unwrap_or_default()["data"]["result"][0]["value"][1].clone()
            }
            _ => Value::Null,
        });
        counts[0] == counts[1] && counts[0] != Value::Null
    });
    assert!(
        equal,
        "the two sides hold different series: {:?} against {:?}",
        http_get(ours, &target),
        http_get(theirs, &target)
    );
}

/// Status, type and every series must agree; floats to 1e-9 relative, which leaves room for another order of summation.
pub(crate) fn same(ours: &(u16, Value), theirs: &(u16, Value), ordered: bool) -> Result<(), String> {
    if ours.0 != theirs.0 {
        return Err(format!("status {} {} against {} {}", ours.0, ours.1["error"], theirs.0, theirs.1["error"]));
    }
    if ours.0 != 200 {
        return if ours.1["errorType"] == theirs.1["errorType"] {
            Ok(())
        } else {
            Err(format!("error type {} against {}", ours.1["errorType"], theirs.1["errorType"]))
        };
    }
    let (a, b) = (&ours.1["data"], &theirs.1["data"]);
    if a["resultType"] != b["resultType"] {
        return Err(format!("type {} against {}", a["resultType"], b["resultType"]));
    }
    if matches!(a["resultType"].as_str(), Some("scalar" | "string")) {
        return same_points(&a["result"], &b["result"]);
    }
    let (a, b) = (a["result"].as_array().expect("a list"), b["result"].as_array().expect("a list"));
    if ordered && a.iter().map(|s| &s["metric"]).ne(b.iter().map(|s| &s["metric"])) {
        return Err("another order".into());
    }
    let key = |series: &Value| {
        series["metric"]
            .as_object()
            .map(|m| m.iter().map(|(k, v)| (k.clone(), v.to_string())).collect::<BTreeMap<_, _>>())
    };
    let a: BTreeMap<_, _> = a.iter().map(|s| (key(s), s)).collect();
    let b: BTreeMap<_, _> = b.iter().map(|s| (key(s), s)).collect();
    if a.keys().ne(b.keys()) {
        let only = |x: &BTreeMap<_, &Value>, y: &BTreeMap<_, &Value>| {
            x.iter().filter(|(k, _)| !y.contains_key(*k)).map(|(_, v)| v["metric"].to_string()).collect::<Vec<_>>()
        };
        return Err(format!("series only here {:?}, only there {:?}", only(&a, &b), only(&b, &a)));
    }
    for (key, series) in &a {
        let other = b[key];
        for field in ["value", "values", "histogram", "histograms"] {
            same_points(&series[field], &other[field]).map_err(|why| format!("{}: {why}", series["metric"]))?;
        }
    }
    Ok(())
}

fn same_points(a: &Value, b: &Value) -> Result<(), String> {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).try_for_each(|(a, b)| same_points(a, b))
        }
        (Value::Object(a), Value::Object(b)) if a.len() == b.len() => {
            a.iter().try_for_each(|(k, v)| same_points(v, b.get(k).unwrap_or(&Value::Null)))
        }
        (Value::String(a), Value::String(b)) if close(a, b) => Ok(()),
        (a, b) if a == b || a.as_f64().is_some_and(|x| Some(x) == b.as_f64()) => Ok(()),
        (a, b) => Err(format!("{a} against {b}")),
    }
}

fn close(a: &str, b: &str) -> bool {
    a == b
        || matches!((a.parse::<f64>(), b.parse::<f64>()), (Ok(x), Ok(y)) if (x - y).abs() <= 1e-9 * x.abs().max(y.abs()) || (x.abs() < 1e-12 && y.abs() < 1e-12))
}

/// No two gauges are ever equal, because Prometheus leaves the order of ties open.
/// Counters with and without resets, gauges with gaps, late and early series, special values, classic histograms, a summary.
pub(crate) fn exposition_text(start: i64) -> String {
    let mut series: BTreeMap<&str, Vec<(String, Vec<Option<f64>>)>> = BTreeMap::new();
    let mut random = Random(42);
    let mut add = |family: &'static str, labels: String, value: &mut dyn FnMut(i64) -> Option<f64>| {
        series.entry(family).or_default().push((labels, (0..POINTS).map(&mut *value).collect()));
    };
    for pod in 0..6 {
        let place = format!("pod=\"pod-{pod}\",zone=\"z{}\"", pod % 3);
        for code in ["200", "404", "500"] {
            let mut total = 0.0;
            add("requests_total", format!("{place},code=\"{code}\""), &mut |_| {
                total += random.below(if code == "200" { 40 } else { 3 }) as f64;
                Some(total)
            });
        }
        add("temperature_celsius", place.clone(), &mut |i| {
            Some(20.0 + (i as f64 / 9.0).sin() * 5.0 + random.below(100) as f64 / 100.0 + pod as f64 / 1000.0)
        });
        add("queue_length", format!("{place},queue=\"q\""), &mut |_| Some(random.below(50) as f64));
        add("build_info", format!("pod=\"pod-{pod}\",version=\"1.2.{}\"", pod % 4), &mut |_| Some(1.0));
        let mut total = 0.0;
        add("resetting_total", place.clone(), &mut |i| {
            total = if i % (37 + pod) == 36 { 0.0 } else { total + random.below(9) as f64 };
            Some(total)
        });
        add("gappy_gauge", place.clone(), &mut |i| (i % 40 < 20 + pod).then(|| random.below(1000) as f64 / 8.0));
        let mut total = 0.0;
        add("gappy_total", place.clone(), &mut |i| {
            total += random.below(5) as f64;
            (i % 50 < 30 - pod).then_some(total)
        });
        add("steps", place.clone(), &mut |i| Some((i / (11 + pod) % 3) as f64));
        add("late_gauge", place.clone(), &mut |i| (i > 120 + pod).then_some(i as f64));
        add("early_gauge", place.clone(), &mut |i| (i < 110 - pod).then_some(i as f64));
        add("special_values", place.clone(), &mut |i| {
            Some([1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 1e300, 5e-324][((i / 7 + pod) % 7) as usize])
        });
        let bounds = ["0.005", "0.01", "0.05", "0.1", "0.5", "1", "5", "+Inf"];
        let mut counts = [0.0; 8];
        let mut columns: Vec<Vec<Option<f64>>> = vec![Vec::new(); 10];
        let mut sum = 0.0;
        for _ in 0..POINTS {
            for _ in 0..random.below(6) {
                let bucket = random.below(8) as usize;
                counts[bucket..].iter_mut().for_each(|c| *c += 1.0);
                sum += bucket as f64 * 0.3;
            }
            counts.iter().enumerate().for_each(|(i, c)| columns[i].push(Some(*c)));
            columns[8].push(Some(sum));
            columns[9].push(Some(counts[7]));
        }
        for (i, bound) in bounds.iter().enumerate() {
            add("latency_seconds_bucket", format!("{place},le=\"{bound}\""), &mut |p| columns[i][p as usize]);
        }
        add("latency_seconds_sum", place.clone(), &mut |p| columns[8][p as usize]);
        add("latency_seconds_count", place.clone(), &mut |p| columns[9][p as usize]);
        for quantile in ["0.5", "0.99"] {
            add("rpc_seconds", format!("{place},quantile=\"{quantile}\""), &mut |_| {
                Some(random.below(1000) as f64 / 1000.0)
            });
        }
    }
    let mut text = String::new();
    for point in 0..POINTS {
        for (family, members) in &series {
            for (labels, values) in members {
                if let Some(value) = values[point as usize] {
                    let _ = writeln!(
                        text,
                        "{family}{{{labels}}} {} {}",
                        model::float::format_g(value),
                        (start + point * STEP) * 1000
                    );
                }
            }
        }
    }
    text
}

pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// A number below `n`.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// Gives each client all samples once and an empty page from then on.
pub(crate) struct ExpositionServer {
    pub(crate) address: String,
}

impl ExpositionServer {
    pub(crate) fn start(text: String) -> Self {
        use std::io::{Read, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            let mut seen: Vec<String> = Vec::new();
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let mut request = [0_u8; 8192];
                let Ok(length) = stream.read(&mut request) else { continue };
                let head = String::from_utf8_lossy(&request[..length]).to_ascii_lowercase();
                let agent = head.lines().find(|l| l.starts_with("user-agent")).unwrap_or("").to_owned();
                let body = if seen.contains(&agent) { "" } else { text.as_str() };
                seen.push(agent);
                let _ = write!(
                    stream,
                    "HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
            }
        });
        ExpositionServer { address }
    }
}

/// The real Prometheus, ended when it is dropped.
pub(crate) struct Prometheus {
    child: Child,
    /// `http://127.0.0.1:PORT`
    pub(crate) url: String,
    _directory: tempfile::TempDir,
}

impl Prometheus {
    fn start(binary: &Path, config: &str) -> Self {
        Prometheus::with(binary, config, &[])
    }

    /// The same with further flags; `ADDRESS` in the configuration becomes its own address.
    pub(crate) fn with(binary: &Path, config: &str, flags: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("prometheus.yml");
        let url = format!("http://127.0.0.1:{}", free_port());
        std::fs::write(&file, config.replace("ADDRESS", url.trim_start_matches("http://"))).unwrap();
        let child = Command::new(binary)
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()))
            .arg(format!("--web.listen-address={}", url.trim_start_matches("http://")))
            .arg("--log.level=error")
            .args(flags)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Prometheus { child, url, _directory: directory }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
