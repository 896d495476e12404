//! The whole server: pushed to as Loki's clients push, asked as Grafana asks. CPU time and memory are the server's own.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use model::{Clock, SystemClock};

use super::LogsArguments;
use super::lines::{Random, line};
use crate::peers::http::{Connection, escape};
use crate::peers::servers::{Kind, Server};
use crate::protobuf::{put_bytes, put_varint};
use crate::{process, say};

const MB: f64 = 1e6;
/// Nanoseconds that the lines are spread over.
const SPAN: i64 = 7_200_000_000_000;
const LINES_OF_A_REQUEST: usize = 3600;
/// Bytes of a line on average, to tell the number of lines.
const BYTES_OF_A_LINE: usize = 278;
const REPETITIONS: usize = 5;

/// All requests, each made of its number alone.
#[derive(Clone, Copy, Debug)]
struct Requests {
    count: usize,
    streams: usize,
    begin: i64,
}

impl Requests {
    /// The lines of a request, in order of time: stream, time, line.
    fn lines(&self, number: usize, mut each: impl FnMut(usize, i64, &str)) {
        let mut random = Random(42 + number as u64 * 1_000_003);
        let step = SPAN / (self.count * LINES_OF_A_REQUEST) as i64;
        let mut text = String::new();
        for at in 0..LINES_OF_A_REQUEST {
            let index = (number * LINES_OF_A_REQUEST + at) as i64;
            let stream = random.below(self.streams as u64) as usize;
            let time = self.begin + index * step + random.below(step.max(1) as u64) as i64;
            line(stream, time, &mut random, &mut text);
            each(stream, time, &text);
        }
    }

    /// A push request and the bytes of its lines.
    fn body(&self, number: usize) -> anyhow::Result<(Vec<u8>, usize)> {
        let mut entries: Vec<Vec<u8>> = vec![Vec::new(); self.streams];
        let mut bytes = 0;
        let (mut time_message, mut entry) = (Vec::new(), Vec::new());
        self.lines(number, |stream, time, text| {
            time_message.clear();
            time_message.push(1 << 3);
            put_varint(&mut time_message, (time / 1_000_000_000) as u64);
            time_message.push(2 << 3);
            put_varint(&mut time_message, (time % 1_000_000_000) as u64);
            entry.clear();
            put_bytes(&mut entry, 1, &time_message);
            put_bytes(&mut entry, 2, text.as_bytes());
            put_bytes(&mut entries[stream], 2, &entry);
            bytes += text.len();
        });
        let mut request = Vec::new();
        for (stream, entries) in entries.iter().enumerate().filter(|(_, entries)| !entries.is_empty()) {
            let mut message = Vec::with_capacity(entries.len() + 64);
            put_bytes(&mut message, 1, format!("{{env=\"prod\", service=\"service-{stream:02}\"}}").as_bytes());
            message.extend_from_slice(entries);
            put_bytes(&mut request, 1, &message);
        }
        Ok((snap::raw::Encoder::new().compress_vec(&request)?, bytes))
    }

    fn end(&self) -> i64 {
        self.begin + SPAN
    }
}

/// Runs the workload.
pub(super) fn run(arguments: &LogsArguments) -> anyhow::Result<()> {
    let temporary = tempfile::tempdir()?;
    let dir = arguments.dir.clone().unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&dir)?;
    let beside = std::env::current_exe()?.with_file_name("afferent");
    let program = arguments.afferent.clone().unwrap_or(beside);
    // Rates are Loki's by default, and meant for other loads.
    std::fs::write(
        dir.join("loki-config.yaml"),
        "limits_config: {ingestion_rate_mb: 10000, ingestion_burst_size_mb: 10000, per_stream_rate_limit: 10GB, per_stream_rate_limit_burst: 10GB}\n",
    )?;
    let count = (arguments.megabytes * 1_000_000).div_ceil(LINES_OF_A_REQUEST * BYTES_OF_A_LINE);
    let mark = dir.join("begin");
    let begin = match std::fs::read_to_string(&mark) {
        Ok(text) => text.trim().parse()?,
        Err(_) => (SystemClock.now().ms() / 60_000 * 60_000) * 1_000_000 - SPAN,
    };
    let requests = Requests { count, streams: arguments.streams, begin };
    let mut server = Server::start(Kind::Afferent, &program, &dir)?;
    server.wait_for("/-/ready", |_| true)?;
    if !mark.exists() {
        ingest(&server, requests, arguments.connections)?;
        std::fs::write(&mark, begin.to_string())?;
        let begun = Instant::now();
        server.kill();
        server.restart()?;
        server.wait_for("/loki/api/v1/labels", |body| body.windows(7).any(|w| w == b"service"))?;
        say(&format!("first answer {:.2} s after kill -9", begun.elapsed().as_secs_f64()))?;
    }
    questions(&server, requests, arguments)?;
    say(&format!("peak memory since the start: {:.0} MB", process::peak_bytes(&server.id())? as f64 / MB))
        .map_err(Into::into)
}

fn ingest(server: &Server, requests: Requests, connections: usize) -> anyhow::Result<()> {
    let next = AtomicUsize::new(0);
    let sent = AtomicUsize::new(0);
    let failure: Mutex<Option<anyhow::Error>> = Mutex::default();
    let before = process::cpu_time_of_all(&server.id())?;
    let begun = Instant::now();
    let push = || -> anyhow::Result<()> {
        let mut connection = server.connect()?;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= requests.count {
                return Ok(());
            }
            let (body, bytes) = requests.body(number)?;
            loop {
                let headers = "content-type: application/x-protobuf\r\n";
                let answer = connection.post("/loki/api/v1/push", headers, &body)?;
                match answer.status {
                    204 => break,
                    429 | 503 => crate::peers::pause(Duration::from_millis(50)),
                    status => anyhow::bail!("status {status}: {}", String::from_utf8_lossy(&answer.body)),
                }
            }
            sent.fetch_add(bytes, Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..connections {
            scope.spawn(|| {
                if let Err(error) = push() {
                    *failure.lock().expect("no holder of this lock panics") = Some(error);
                    next.store(requests.count, Ordering::Relaxed);
                }
            });
        }
    });
    if let Some(error) = failure.into_inner().expect("no holder of this lock panics") {
        return Err(error);
    }
    let wall = begun.elapsed().as_secs_f64();
    let bytes = sent.into_inner() as f64;
    let during = (process::cpu_time_of_all(&server.id())? - before).as_secs_f64();
    ask(&mut server.connect()?, "/internal/force_flush")?;
    server.rest()?;
    let written = (process::cpu_time_of_all(&server.id())? - before).as_secs_f64();
    say(&format!(
        "ingest: {:.1} MB in {} lines, {wall:.1} s wall; {during:.1} CPU s until acknowledged, {written:.1} until in blocks and at rest = {:.1} MB a CPU second; peak memory {:.0} MB",
        bytes / MB,
        requests.count * LINES_OF_A_REQUEST,
        bytes / MB / written,
        process::peak_bytes(&server.id())? as f64 / MB
    ))?;
    let size = server.bytes()? as f64;
    say(&format!("as written: {:.1} MB = {:.2} % of lines", size / MB, size / bytes * 100.0))?;
    let before = process::cpu_time_of_all(&server.id())?;
    ask(&mut server.connect()?, "/internal/force_merge")?;
    server.rest()?;
    let size = server.bytes()? as f64;
    say(&format!(
        "merged: {:.1} MB = {:.2} % of lines, {:.1} CPU s; peak memory {:.0} MB",
        size / MB,
        size / bytes * 100.0,
        (process::cpu_time_of_all(&server.id())? - before).as_secs_f64(),
        process::peak_bytes(&server.id())? as f64 / MB
    ))?;
    Ok(())
}

/// A question by name, as the path of a URL, with what it may take in CPU milliseconds at 2 GB.
struct Question {
    name: &'static str,
    path: String,
    target: f64,
}

fn questions(server: &Server, requests: Requests, arguments: &LogsArguments) -> anyhow::Result<()> {
    // A line of the middle has the id that is looked for.
    let (mut json, mut plain) = (String::new(), String::new());
    requests.lines(requests.count / 2, |stream, _, text| {
        if stream == 3 {
            json = text.to_owned()
        }
        if stream == 17 {
            plain = text.to_owned()
        }
    });
    let id_of = |line: &str| {
        let is_id = |part: &&str| part.len() == 32 && part.bytes().all(|b| b.is_ascii_hexdigit());
        line.split(|c: char| !c.is_ascii_alphanumeric()).find(is_id).map(str::to_owned).context("a line has an id")
    };
    let (json, plain) = (id_of(&json)?, id_of(&plain)?);
    let (start, end) = (requests.begin, requests.end());
    let minutes = SPAN / 60_000_000_000;
    let range = |name, target, query: &str, more: &str| Question {
        name,
        target,
        path: format!("/loki/api/v1/query_range?query={}&start={start}&end={end}{more}", escape(query)),
    };
    let instant = |name, target, query: &str| Question {
        name,
        target,
        path: format!("/loki/api/v1/query?query={}&time={end}", escape(query)),
    };
    let all = "{env=\"prod\"}";
    let list = [
        range("needle_json", 15.0, &format!("{all} |= \"{json}\""), ""),
        range("needle_plain", 15.0, &format!("{all} |= \"{plain}\""), ""),
        range("needle_1_service", 15.0, &format!("{{service=\"service-17\"}} |= \"{plain}\""), ""),
        range("needle_absent", 15.0, &format!("{all} |= \"0123456789abcdef0123456789abcdef\""), ""),
        range("fragment_24_json", 200.0, &format!("{all} |= \"{}\"", &json[3..27]), ""),
        range("fragment_24_plain", 200.0, &format!("{all} |= \"{}\"", &plain[5..29]), ""),
        range("regex_with_24", 200.0, &format!("{all} |~ \"[0-9a-f]{}[0-9a-f]+\"", &plain[4..28]), ""),
        range("fragment_12", 2000.0, &format!("{all} |= \"{}\"", &json[7..19]), ""),
        range("regex_rare", 2000.0, &format!("{all} |~ \"{}[0-9a-f]+{}\"", &plain[2..6], &plain[26..32]), ""),
        range("regex_no_literal", 2000.0, &format!("{all} |~ \"user-0123[0-4] in [0-9]{{4}} ms\""), ""),
        range("count_error_1m", 2000.0, &format!("sum(count_over_time({all} |= \"error\" [1m]))"), "&step=60"),
        range("count_ERROR_1m", 2000.0, &format!("sum(count_over_time({all} |= \"ERROR\" [1m]))"), "&step=60"),
        range(
            "count_regex_ignoring_case",
            2000.0,
            &format!("sum(count_over_time({all} |~ \"(?i)error\" [1m]))"),
            "&step=60",
        ),
        range(
            "json_status_500_count",
            60.0,
            &format!("sum(count_over_time({all} | json | status >= 500 [1m]))"),
            "&step=60",
        ),
        instant(
            "json_status_500_instant",
            60.0,
            &format!("sum(count_over_time({all} | json | status >= 500 [{minutes}m]))"),
        ),
        range("json_status_500_limit_100", 90.0, &format!("{all} | json | status >= 500"), "&limit=100"),
        range(
            "p99_by_service_5m",
            300.0,
            &format!("quantile_over_time(0.99, {all} | json | unwrap duration_ms [5m]) by (service)"),
            "&step=300",
        ),
        range(
            "p99_by_service_5m_each_1m",
            300.0,
            &format!("quantile_over_time(0.99, {all} | json | unwrap duration_ms [5m]) by (service)"),
            "&step=60",
        ),
        range("count_by_service_1m", 20.0, &format!("sum by (service) (count_over_time({all}[1m]))"), "&step=60"),
        range("last_100", 20.0, all, "&limit=100"),
        instant(
            "top_10_users",
            200.0,
            &format!("topk(10, sum by (user_id) (count_over_time({all} | json [{minutes}m])))"),
        ),
        Question {
            name: "label_values",
            target: 2.0,
            path: format!("/loki/api/v1/label/service/values?start={start}&end={end}"),
        },
        Question {
            name: "volume",
            target: 20.0,
            path: format!("/loki/api/v1/index/volume?query={}&start={start}&end={end}", escape(all)),
        },
    ];
    say("query: wall / CPU ms (the first time: CPU) of what it may take at 2 GB; bytes of the answer")?;
    for question in list.iter().filter(|q| arguments.only.as_ref().is_none_or(|only| q.name.contains(only.as_str()))) {
        let mut connection = server.connect()?;
        let once = || process::cpu_time(&server.id());
        let before = once()?;
        let answer = ask(&mut connection, &question.path)?;
        let first = (once()? - before).as_secs_f64() * 1000.0;
        let (mut walls, mut cpus) = (Vec::new(), Vec::new());
        for _ in 0..REPETITIONS {
            let (before, begun) = (once()?, Instant::now());
            ask(&mut connection, &question.path)?;
            walls.push(begun.elapsed().as_secs_f64() * 1000.0);
            cpus.push((once()? - before).as_secs_f64() * 1000.0);
        }
        let middle = |list: &mut Vec<f64>| {
            list.sort_unstable_by(f64::total_cmp);
            list[list.len() / 2]
        };
        let (wall, cpu) = (middle(&mut walls), middle(&mut cpus));
        let verdict = if cpu <= question.target { "" } else { "  MISSED" };
        say(&format!(
            "{:28} {wall:9.1} / {cpu:8.1} ({first:8.1}) of {:6.0}; {} bytes{verdict}",
            question.name,
            question.target,
            answer.len()
        ))?;
    }
    Ok(())
}

fn ask(connection: &mut Connection, path: &str) -> anyhow::Result<Vec<u8>> {
    let answer = connection.get(path)?;
    let text = || String::from_utf8_lossy(&answer.body[..answer.body.len().min(300)]).into_owned();
    anyhow::ensure!(answer.status == 200, "{path}: status {}: {}", answer.status, text());
    Ok(answer.body)
}
