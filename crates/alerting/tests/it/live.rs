//! The same cases against a real Alertmanager, where one lies in `AFFERENT_PEERS`: what the cases say is what it does. It works in
//! real time, so a machine that is busy gets several attempts.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, Utc};
use model::Clock;
use serde_json::{Value, json};

use crate::scenarios::{Case, Posted, Taken, cases, compare};
use crate::standin::{Request, StandIn, ask};

const ATTEMPTS: usize = 4;
/// Seconds by which times may differ: what is in a message says more of when it was made than when a busy machine delivered it.
const TOLERANCE: f64 = 2.0;
/// Debian's Alertmanager reads its templates from there, and does not start without them.
const TEMPLATES: &str = "/usr/share/prometheus/alertmanager/default.tmpl";

fn binary() -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os("AFFERENT_PEERS")?).join("usr/bin/prometheus-alertmanager");
    (path.is_file() && Path::new(TEMPLATES).is_file()).then_some(path)
}

/// Stops the process at the end of its scope.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn pause(until: Instant) {
    let (_sender, receiver) = mpsc::channel::<()>();
    let _ = receiver.recv_timeout(until.saturating_duration_since(Instant::now()));
}

fn start(binary: &Path, dir: &Path, config: &str, start_delay: Option<f64>) -> (Running, SocketAddr) {
    let file = dir.join("alertmanager.yml");
    std::fs::write(&file, config).unwrap();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let child = Command::new(binary)
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.path={}", dir.join("data").display()))
        .arg(format!("--web.listen-address={address}"))
        .arg("--cluster.listen-address=")
        .args(start_delay.map(|seconds| format!("--dispatch.start-delay={seconds}s")))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let running = Running(child);
    for _ in 0..300 {
        if ask(address, "GET", "/-/ready", "").is_some_and(|(status, _)| status == 200) {
            return (running, address);
        }
        pause(Instant::now() + Duration::from_millis(100));
    }
    panic!("Alertmanager does not start at {address}");
}

fn run(binary: &Path, case: &Case) -> BTreeMap<String, Vec<Taken>> {
    let dir = tempfile::tempdir().unwrap();
    let fails: Vec<_> = case.steps.iter().filter_map(|step| step.fail.clone()).collect();
    let origin = std::sync::Arc::new(std::sync::OnceLock::<Instant>::new());
    let known = origin.clone();
    let failing = move |request: &Request| {
        let at = known.get().map_or(0.0, |origin| request.at.duration_since(*origin).as_secs_f64());
        fails.iter().find(|fail| request.path.ends_with(&fail.hook) && at < fail.until).map(|fail| fail.status)
    };
    let failing = std::sync::Arc::new(failing);
    let script = failing.clone();
    let hooks = StandIn::start(Box::new(move |request| (script(request).unwrap_or(200), Vec::new(), String::new())));
    let config = case.config.replace("HOOK", &hooks.address.to_string());
    let before = Instant::now();
    let (_running, address) = start(binary, dir.path(), &config, case.start_delay);
    // What counts from the start of the process begins with it.
    let begin = if case.start_delay.is_some() { before } else { Instant::now() };
    let wall = model::SystemClock.now().plus_ms(-(begin.elapsed().as_millis() as i64));
    origin.set(begin).unwrap();
    let moment = |seconds: f64| begin + Duration::from_secs_f64(seconds);
    let time = |seconds: f64| {
        let at = DateTime::<Utc>::from_timestamp_millis(wall.ms() + (seconds * 1000.0) as i64).unwrap();
        at.to_rfc3339_opts(SecondsFormat::Millis, true)
    };
    let mut silences: Vec<String> = Vec::new();
    for step in &case.steps {
        pause(moment(step.at));
        let posted: Vec<Value> = step
            .post
            .iter()
            .map(|alert| {
                let mut out = json!({"labels": alert.labels, "annotations": alert.annotations});
                for (name, value) in [("startsAt", alert.starts), ("endsAt", alert.ends)] {
                    if let Some(value) = value {
                        out[name] = json!(time(value));
                    }
                }
                out
            })
            .collect();
        if !posted.is_empty() {
            let answer = ask(address, "POST", "/api/v2/alerts", &json!(posted).to_string());
            assert!(answer.as_ref().is_some_and(|(status, _)| *status == 200), "{answer:?}");
        }
        if let Some(silence) = &step.silence {
            let body = json!({
                "matchers": silence.matchers, "startsAt": time(silence.starts), "endsAt": time(silence.ends),
                "createdBy": "test", "comment": "test",
            });
            let (_, answer) = ask(address, "POST", "/api/v2/silences", &body.to_string()).unwrap();
            let answer: Value = serde_json::from_str(&answer).unwrap();
            silences.push(answer["silenceID"].as_str().unwrap().to_owned());
        }
        if let Some(number) = step.unsilence {
            ask(address, "DELETE", &format!("/api/v2/silence/{}", silences[number]), "").unwrap();
        }
        if step.reload {
            ask(address, "POST", "/-/reload", "").unwrap();
        }
    }
    pause(moment(case.until));
    let mut taken: BTreeMap<String, Vec<Taken>> = BTreeMap::new();
    let seconds = |text: &Value| {
        let at = DateTime::parse_from_rfc3339(text.as_str().unwrap()).unwrap();
        (at.timestamp_millis() - wall.ms()) as f64 / 1000.0
    };
    for request in hooks.seen() {
        if failing(&request).is_some() {
            continue;
        }
        let body: Value = serde_json::from_str(&request.body).unwrap();
        let alerts = body["alerts"].as_array().unwrap().iter().map(|alert| Posted {
            labels: serde_json::from_value(alert["labels"].clone()).unwrap(),
            annotations: serde_json::from_value(alert["annotations"].clone()).unwrap(),
            starts: Some(seconds(&alert["startsAt"])),
            ends: (alert["status"] == "resolved").then(|| seconds(&alert["endsAt"])),
        });
        let at = request.at.duration_since(begin).as_secs_f64();
        let hook = request.path.trim_start_matches('/').to_owned();
        taken.entry(hook).or_default().push(Taken { at, alerts: alerts.collect() });
    }
    taken
}

#[test]
fn alertmanager_does_what_the_cases_say() {
    let Some(binary) = binary() else {
        println!("skipped: there is no prometheus-alertmanager in AFFERENT_PEERS, or no {TEMPLATES}");
        return;
    };
    let threads: Vec<_> = cases()
        .into_iter()
        .map(|(file, case)| {
            let binary = binary.clone();
            std::thread::spawn(move || {
                let mut problems = Vec::new();
                for _ in 0..ATTEMPTS {
                    problems = compare(&case.expect, &run(&binary, &case), TOLERANCE);
                    if problems.is_empty() {
                        return None;
                    }
                }
                Some(format!("{}:\n  {}", file.display(), problems.join("\n  ")))
            })
        })
        .collect();
    let failures: Vec<String> = threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
