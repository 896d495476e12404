//! The whole server: pushed to as Loki's clients push, asked as Grafana asks. CPU time and memory are the server's own.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use model::{Clock, SystemClock};

use super::LogsArguments;
use super::questions::{Kind as How, Question, questions};
use super::requests::{LINES, Requests, SPAN};
use crate::peers::http::{Connection, escape};
use crate::peers::servers::{Kind, Server};
use crate::protobuf::{put_bytes, put_varint};
use crate::{process, say};

const MB: f64 = 1e6;
const REPETITIONS: usize = 5;

/// A push request and the bytes of its lines.
fn body(requests: &Requests, number: usize) -> anyhow::Result<(Vec<u8>, usize)> {
    let mut entries: Vec<Vec<u8>> = vec![Vec::new(); requests.streams];
    let mut bytes = 0;
    let (mut time_message, mut entry) = (Vec::new(), Vec::new());
    requests.lines(number, |stream, time, text| {
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
    let mark = dir.join("begin");
    let begin = match std::fs::read_to_string(&mark) {
        Ok(text) => text.trim().parse()?,
        Err(_) => (SystemClock.now().ms() / 60_000 * 60_000) * 1_000_000 - SPAN,
    };
    let requests = Requests::new(arguments.megabytes, arguments.streams, begin);
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
    ask_all(&server, requests, arguments)?;
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
            let (message, bytes) = body(&requests, number)?;
            loop {
                let headers = "content-type: application/x-protobuf\r\n";
                let answer = connection.post("/loki/api/v1/push", headers, &message)?;
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
        requests.count * LINES,
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

/// A question as the path of a URL.
fn path(question: &Question, requests: &Requests) -> String {
    let (start, end, query) = (requests.begin, requests.end(), escape(&question.query));
    match question.kind {
        How::End => format!("/loki/api/v1/query?query={query}&time={end}"),
        How::Entries => format!("/loki/api/v1/query_range?query={query}&start={start}&end={end}&limit=100"),
        How::Steps(step) => format!("/loki/api/v1/query_range?query={query}&start={start}&end={end}&step={step}"),
    }
}

fn ask_all(server: &Server, requests: Requests, arguments: &LogsArguments) -> anyhow::Result<()> {
    let list = questions(&requests)?;
    say("query: wall / CPU ms (the first time: CPU) of what it may take at 2 GB; bytes of the answer")?;
    for question in list.iter().filter(|q| arguments.only.as_ref().is_none_or(|only| q.name.contains(only.as_str()))) {
        let mut connection = server.connect()?;
        let once = || process::cpu_time(&server.id());
        let before = once()?;
        let path = path(question, &requests);
        let answer = ask(&mut connection, &path)?;
        let first = (once()? - before).as_secs_f64() * 1000.0;
        let (mut walls, mut cpus) = (Vec::new(), Vec::new());
        for _ in 0..REPETITIONS {
            let (before, begun) = (once()?, Instant::now());
            ask(&mut connection, &path)?;
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
