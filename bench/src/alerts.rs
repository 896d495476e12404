//! Alerts posted as Prometheus posts them, over and over: to our server and to Alertmanager, in one run.
//!
//! Each alert fires in its turn and is reported again; every tenth report ends it, so groups are made, told and taken apart. The
//! receiver answers at once.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chrono::SecondsFormat;
use clap::Args;
use model::{Clock, SystemClock};

use crate::peers::pause;
use crate::peers::servers::{Kind, Server};
use crate::{process, say};

/// Alerts in a request, as Prometheus sends them at most.
const BATCH: usize = 256;
/// An alert is reported as ended each so many times.
const ROUNDS_TO_END: usize = 10;
const CONFIG: &str = "route: {receiver: hook, group_by: [alertname, cluster], group_wait: 1s, group_interval: 5s, repeat_interval: 1h}\n\
    receivers: [{name: hook, webhook_configs: [{url: 'http://HOOK/'}]}]\n";

/// How much of it.
#[derive(Debug, Args)]
pub(crate) struct AlertsArguments {
    /// Reports in all.
    #[arg(long, default_value_t = 1_000_000)]
    updates: usize,
    /// Different alerts.
    #[arg(long, default_value_t = 10_000)]
    alerts: usize,
    /// Senders at a time.
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// Our binary; beside this one by default.
    #[arg(long)]
    afferent: Option<PathBuf>,
    /// Where Alertmanager is unpacked.
    #[arg(long, env = "AFFERENT_PEERS")]
    peers: Option<PathBuf>,
}

/// What was measured of one server.
struct Figures {
    wall: f64,
    cpu: f64,
    peak: f64,
    told: usize,
}

/// Runs the workload.
pub(crate) fn run(arguments: &AlertsArguments) -> anyhow::Result<()> {
    let beside = std::env::current_exe()?.with_file_name("afferent");
    let afferent = arguments.afferent.clone().unwrap_or(beside);
    let mut ours: Option<Figures> = None;
    for kind in [Kind::Afferent, Kind::Alertmanager] {
        let Some(program) = kind.program(&afferent, arguments.peers.as_deref()) else {
            say(&format!("{}: not on this machine", kind.name()))?;
            continue;
        };
        let figures = measure(kind, &program, arguments)?;
        let rate = arguments.updates as f64 / figures.cpu;
        say(&format!(
            "{:13} {} updates: {:.1} s wall, {:.1} CPU s = {rate:.0} a CPU second; peak memory {:.0} MB; {} notifications",
            kind.name(),
            arguments.updates,
            figures.wall,
            figures.cpu,
            figures.peak / 1e6,
            figures.told
        ))?;
        match &ours {
            None => ours = Some(figures),
            Some(ours) => say(&format!(
                "ratio: {:.1} x the updates a CPU second, {:.2} x the memory",
                figures.cpu / ours.cpu,
                ours.peak / figures.peak
            ))?,
        }
    }
    Ok(())
}

fn measure(kind: Kind, program: &Path, arguments: &AlertsArguments) -> anyhow::Result<Figures> {
    let dir = tempfile::tempdir()?;
    let told = Arc::new(AtomicUsize::new(0));
    let hook = receiver(&told)?;
    std::fs::write(dir.path().join("alertmanager.yml"), CONFIG.replace("HOOK", &hook.to_string()))?;
    let mut server = Server::start(kind, program, dir.path())?;
    server.wait_for("/-/ready", |_| true)?;
    let before = process::cpu_time_of_all(&server.id())?;
    let begun = Instant::now();
    let next = AtomicUsize::new(0);
    let sent = std::thread::scope(|scope| {
        let send = || scope.spawn(|| send(&server, &next, arguments));
        let senders: Vec<_> = (0..arguments.connections).map(|_| send()).collect();
        senders.into_iter().map(|sender| sender.join().expect("a sender does not panic")).collect::<Vec<_>>()
    });
    sent.into_iter().collect::<anyhow::Result<Vec<()>>>()?;
    let wall = begun.elapsed().as_secs_f64();
    // What is still to be told belongs to it.
    pause(Duration::from_secs(12));
    let cpu = (process::cpu_time_of_all(&server.id())? - before).as_secs_f64();
    let peak = process::peak_bytes(&server.id())? as f64;
    Ok(Figures { wall, cpu, peak, told: told.load(Ordering::Relaxed) })
}

fn send(server: &Server, next: &AtomicUsize, arguments: &AlertsArguments) -> anyhow::Result<()> {
    let mut connection = server.connect()?;
    loop {
        let first = next.fetch_add(BATCH, Ordering::Relaxed);
        if first >= arguments.updates {
            return Ok(());
        }
        let now = SystemClock.now();
        let time = |ms: i64| {
            let at = chrono::DateTime::from_timestamp_millis(now.ms() + ms).unwrap_or_default();
            at.to_rfc3339_opts(SecondsFormat::Millis, true)
        };
        let (starts, ends, ended) = (time(-60_000), time(240_000), time(-1));
        let mut body = String::from("[");
        for update in first..(first + BATCH).min(arguments.updates) {
            let (alert, round) = (update % arguments.alerts, update / arguments.alerts);
            let ends = if round % ROUNDS_TO_END == ROUNDS_TO_END - 1 { &ended } else { &ends };
            if body.len() > 1 {
                body.push(',');
            }
            body.push_str(&format!(
                r#"{{"labels":{{"alertname":"Alert{}","cluster":"c{}","instance":"host-{alert}:9100","job":"node","severity":"warning"}},"annotations":{{"summary":"host-{alert} is not well","description":"value 0.{alert}"}},"startsAt":"{starts}","endsAt":"{ends}","generatorURL":"http://prometheus/graph?g0.expr=up"}}"#,
                alert % 50,
                alert % 10
            ));
        }
        body.push(']');
        let answer = connection.post("/api/v2/alerts", "content-type: application/json\r\n", body.as_bytes())?;
        let text = || String::from_utf8_lossy(&answer.body).into_owned();
        anyhow::ensure!(answer.status == 200, "status {}: {}", answer.status, text());
    }
}

/// A webhook that takes everything and counts it.
fn receiver(told: &Arc<AtomicUsize>) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let told = told.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let told = told.clone();
            // A connection that ends is no failure of the server.
            std::thread::spawn(move || drop(take(stream, &told)));
        }
    });
    Ok(address)
}

fn take(stream: TcpStream, told: &AtomicUsize) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            match line.trim_end().to_ascii_lowercase().split_once(": ") {
                Some(("content-length", value)) => length = value.parse().unwrap_or(0),
                _ if line.trim_end().is_empty() => break,
                _ => {}
            }
        }
        std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink())?;
        told.fetch_add(1, Ordering::Relaxed);
        reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
    }
}
