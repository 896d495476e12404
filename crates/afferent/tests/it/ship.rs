//! `afferent ship` as a process: killed again and again while a file is written and rotated, as is the server that it sends to, it
//! loses nothing and repeats at most a batch.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[path = "../../../ship/tests/it/receiver.rs"]
#[allow(dead_code)] // the shipper's own tests use the rest
mod receiver;

use crate::harness::{Server, raw_get, wait_for};
use receiver::{Loki, pause};

const BATCH: usize = 4000;

fn config(dir: &Path, url: &str) -> String {
    let dir = dir.display();
    format!(
        "server: {{disable: true}}\npositions: {{filename: {dir}/positions.yaml}}\ntarget_config: {{sync_period: 200ms}}\n\
         clients: [{{url: '{url}', batchwait: 100ms, batchsize: {BATCH}, backoff_config: {{min_period: 20ms, max_period: 200ms}}}}]\n\
         scrape_configs:\n  - job_name: files\n    static_configs:\n      - labels: {{app: test, __path__: '{dir}/app.log*'}}\n"
    )
}

fn start(dir: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_afferent"))
        .args(["ship", "--config"])
        .arg(dir.join("promtail.yaml"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn kill_9_loses_nothing_and_repeats_at_most_a_batch() {
    const KILLS: usize = 6;
    let (dir, loki) = (tempfile::tempdir().unwrap(), Loki::start());
    std::fs::write(dir.path().join("promtail.yaml"), config(dir.path(), &loki.url())).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let written = Arc::new(Mutex::new(0_usize));
    let writer = std::thread::spawn({
        let (stop, written, dir) = (stop.clone(), written.clone(), dir.path().to_owned());
        move || {
            use std::io::Write;
            let log = dir.join("app.log");
            let mut number = 0;
            while !stop.load(Ordering::SeqCst) {
                let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
                for _ in 0..50 {
                    writeln!(file, "line {number} with a little text behind its number").unwrap();
                    number += 1;
                }
                if number % 2000 == 0 {
                    std::fs::rename(&log, dir.join(format!("app.log.{number}"))).unwrap();
                }
                *written.lock().unwrap() = number;
                pause(5);
            }
        }
    });
    for round in 0..KILLS {
        let mut child = start(dir.path());
        pause(900 + 130 * round as u64);
        if round == 2 {
            loki.state.status.store(503, Ordering::SeqCst);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        if round == 3 {
            loki.state.status.store(0, Ordering::SeqCst);
        }
    }
    stop.store(true, Ordering::SeqCst);
    writer.join().unwrap();
    let written = *written.lock().unwrap();
    let mut child = start(dir.path());
    let distinct =
        |lines: &[receiver::Received]| lines.iter().map(|line| line.line.clone()).collect::<BTreeSet<_>>().len();
    loki.wait(&format!("{written} lines were written"), |lines| distinct(lines) >= written);
    pause(500);
    let process = nix::unistd::Pid::from_raw(child.id() as i32);
    nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert!(child.wait().unwrap().success());
    let lines = loki.lines();
    assert_eq!(distinct(&lines), written);
    // What was sent twice was sent with the same time, so that a store keeps it once; and it is no more than a batch a kill.
    let repeats = lines.len() - written;
    let entries: BTreeSet<_> = lines.iter().map(|line| (line.timestamp, line.line.clone())).collect();
    assert!(repeats <= KILLS * BATCH / 40, "{repeats} lines came again");
    assert_eq!(entries.len(), written, "lines came again with another time");
}

/// Lines of a writer that also rotates its file, until it is told to stop; answers how many there are.
fn write_and_rotate(dir: &Path, stop: Arc<AtomicBool>) -> std::thread::JoinHandle<usize> {
    use std::io::Write;
    let dir = dir.to_owned();
    std::thread::spawn(move || {
        let (log, mut number) = (dir.join("app.log"), 0);
        while !stop.load(Ordering::SeqCst) {
            let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
            for _ in 0..50 {
                writeln!(file, "line {number} with a little text behind its number").unwrap();
                number += 1;
            }
            if number % 1000 == 0 {
                std::fs::rename(&log, dir.join(format!("app.log.{number}"))).unwrap();
            }
            pause(20);
        }
        number
    })
}

#[test]
fn kills_of_both_ends_lose_no_line_and_double_none() {
    use rand::{RngExt, SeedableRng, rngs::StdRng};
    let mut rng = StdRng::seed_from_u64(20);
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start("scrape_configs: []\n");
    let url = format!("{}/loki/api/v1/push", server.url);
    std::fs::write(dir.path().join("promtail.yaml"), config(dir.path(), &url)).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let writer = write_and_rotate(dir.path(), stop.clone());
    let mut shipper = start(dir.path());
    let mut is_up = true;
    for _ in 0..10 {
        pause(rng.random_range(200..900));
        if rng.random_bool(0.6) {
            shipper.kill().unwrap();
            shipper.wait().unwrap();
            shipper = start(dir.path());
        }
        // While the server is away the file is rotated more than once.
        match is_up {
            true if rng.random_bool(0.6) => server.kill(),
            false => server.restart(),
            true => continue,
        }
        is_up = !is_up;
    }
    if !is_up {
        server.restart();
    }
    stop.store(true, Ordering::SeqCst);
    let written = writer.join().unwrap();
    let query = "/api/afferent/v1/logs/query?format=ndjson&since=1h&query=app:test";
    let lines = |server: &Server| -> Vec<String> {
        let (status, body) = raw_get(&server.url, query).unwrap();
        assert_eq!(status, 200);
        let text = String::from_utf8(body).unwrap();
        let line = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["line"].to_string();
        text.lines().map(line).collect()
    };
    let arrived = wait_for(Duration::from_secs(60), || {
        pause(200);
        lines(&server).len() >= written
    });
    let found = lines(&server);
    let distinct: BTreeSet<&String> = found.iter().collect();
    assert!(arrived, "{written} lines were written, {} are there", distinct.len());
    assert_eq!((distinct.len(), found.len()), (written, written), "lines are missing or came twice");
    shipper.kill().unwrap();
    shipper.wait().unwrap();
}

#[test]
fn a_configuration_is_checked_with_places() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("promtail.yaml");
    let check = || {
        Command::new(env!("CARGO_BIN_EXE_afferent")).args(["ship", "--check", "--config"]).arg(&file).output().unwrap()
    };
    std::fs::write(&file, config(dir.path(), "http://localhost:1/loki/api/v1/push")).unwrap();
    assert!(check().status.success());
    let bad = config(dir.path(), "http://localhost:1/push") + "    pipeline_stages: [{jsn: {}}]\n";
    std::fs::write(&file, bad).unwrap();
    let output = check();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        text.contains("promtail.yaml:9:24: scrape_configs[0].pipeline_stages[0].jsn: unknown stage \"jsn\""),
        "{text}"
    );
}

#[test]
fn standard_input_is_shipped_to_its_end() {
    use std::io::Write;
    let (dir, loki) = (tempfile::tempdir().unwrap(), Loki::start());
    std::fs::write(dir.path().join("promtail.yaml"), config(dir.path(), &loki.url())).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_afferent"))
        .args(["ship", "--stdin", "--config"])
        .arg(dir.path().join("promtail.yaml"))
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"one\n\ntwo\nthree").unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(loki.texts(), ["one", "", "two", "three"]);
    assert_eq!(loki.lines()[0].labels, "{app=\"test\"}");
}
