//! Black-box cases as data (`tests/alertmanager/*.yaml`): what Alertmanager's acceptance tests say of its API and of `amtool`. The
//! same file is run against our binary and, where it is to be had, against Debian's Alertmanager.
//!
//! A request's `answer` is what must be in the answer: of an object the keys that are given, of a list as many entries, each of
//! which one entry of the answer fits. `{now+300}` in a case is the time in so many seconds, `{silence}` the silence that was made
//! last, `{file}` the file that a step names.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::harness::{Server, free_port, raw_get, raw_post, raw_send, wait_for};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    config: String,
    /// `--enable-feature`.
    #[serde(default)]
    features: Vec<String>,
    steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    /// `GET /api/v2/alerts`.
    #[serde(default)]
    request: Option<String>,
    #[serde(default)]
    body: Option<Value>,
    #[serde(default)]
    status: Option<u16>,
    #[serde(default)]
    answer: Option<Value>,
    /// Arguments of `amtool`.
    #[serde(default)]
    amtool: Option<Vec<String>>,
    /// What goes into a file or to standard input.
    #[serde(default)]
    file: Option<String>,
    #[serde(default)]
    exit: i32,
    /// Texts that are printed, and texts that are not.
    #[serde(default)]
    prints: Vec<String>,
    #[serde(default)]
    lacks: Vec<String>,
    /// What this printed is the file of later steps.
    #[serde(default)]
    keep: bool,
    /// Another answer, or none, is meant to be here.
    #[serde(default)]
    differs_here: bool,
}

/// An Alertmanager, ended with the test.
struct Peer {
    url: String,
    child: Child,
    _directory: tempfile::TempDir,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Debian's Alertmanager reads its templates from there, and does not start without them.
const TEMPLATES: &str = "/usr/share/prometheus/alertmanager/default.tmpl";

fn peer(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os("AFFERENT_PEERS")?).join("usr/bin").join(name);
    path.is_file().then_some(path)
}

fn start_peer(binary: &Path, case: &Case) -> Peer {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("alertmanager.yml");
    std::fs::write(&file, &case.config).unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    let child = Command::new(binary)
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.path={}", directory.path().join("data").display()))
        .arg(format!("--web.listen-address={address}"))
        .arg(format!("--enable-feature={}", case.features.join(",")))
        .arg("--cluster.listen-address=")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let peer = Peer { url: format!("http://{address}"), child, _directory: directory };
    let is_ready = || raw_get(&peer.url, "/-/ready").is_ok_and(|(status, _)| status == 200);
    assert!(wait_for(Duration::from_secs(30), is_ready), "Alertmanager does not start");
    peer
}

fn start_ours(case: &Case) -> Server {
    let features = case.features.join(",");
    let more: &[&str] = if features.is_empty() { &[] } else { &["--enable-feature", &features] };
    Server::start_with_files("{}\n", &[("alertmanager.yml", &case.config)], more)
}

/// What a run keeps from step to step.
#[derive(Default)]
struct Known {
    silence: String,
    file: String,
}

impl Known {
    fn filled(&self, text: &str, file: &Path) -> String {
        let text = text.replace("{silence}", &self.silence).replace("{file}", &file.display().to_string());
        let mut out = String::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once("{now") {
            let (seconds, after) = after.split_once('}').unwrap();
            let seconds: i64 = if seconds.is_empty() { 0 } else { seconds.parse().unwrap() };
            let at = model::Clock::now(&model::SystemClock).plus_ms(seconds * 1000);
            out.push_str(before);
            out.push_str(&chrono::DateTime::from_timestamp_millis(at.ms()).unwrap().to_rfc3339());
            rest = after;
        }
        out + rest
    }

    fn filled_value(&self, value: &Value, file: &Path) -> Value {
        serde_json::from_str(&self.filled(&value.to_string(), file)).unwrap()
    }
}

/// Whether everything that is wanted is in what was got.
fn fits(want: &Value, got: &Value) -> bool {
    match (want, got) {
        (Value::Object(want), Value::Object(got)) => {
            want.iter().all(|(key, value)| got.get(key).is_some_and(|other| fits(value, other)))
        }
        (Value::Array(want), Value::Array(got)) => {
            want.len() == got.len() && want.iter().all(|value| got.iter().any(|other| fits(value, other)))
        }
        (want, got) => want == got,
    }
}

fn ask(url: &str, step: &Step, known: &mut Known, directory: &Path) -> Result<(), String> {
    let request = known.filled(step.request.as_deref().unwrap(), directory);
    let (method, path) = request.split_once(' ').unwrap();
    let body = step.body.as_ref().map(|body| known.filled_value(body, directory).to_string()).unwrap_or_default();
    let answered = match method {
        "POST" => raw_post(url, path, "application/json", body.as_bytes()),
        method => raw_send(url, method, path, b""),
    };
    let (status, answer) = answered.unwrap();
    let text = String::from_utf8_lossy(&answer).into_owned();
    if status != step.status.unwrap_or(200) {
        return Err(format!("{request}: status {status}: {text}"));
    }
    let answer: Value = serde_json::from_str(&text).unwrap_or_else(|_| Value::String(text.clone()));
    if let Some(id) = answer["silenceID"].as_str() {
        known.silence = id.to_owned();
    }
    if let Some(want) = &step.answer {
        let want = known.filled_value(want, directory);
        if !fits(&want, &answer) {
            return Err(format!("{request}: {text} instead of {want}"));
        }
    }
    check_text(step, &request, &text, known)
}

fn check_text(step: &Step, what: &str, text: &str, known: &Known) -> Result<(), String> {
    let fill = |text: &String| known.filled(text, Path::new(""));
    if let Some(missing) = step.prints.iter().map(fill).find(|want| !text.contains(want.as_str())) {
        return Err(format!("{what}: {missing:?} is not in\n{text}"));
    }
    match step.lacks.iter().map(fill).find(|other| text.contains(other.as_str())) {
        Some(other) => Err(format!("{what}: {other:?} is in\n{text}")),
        None => Ok(()),
    }
}

fn call(amtool: &Path, url: &str, step: &Step, known: &mut Known, directory: &Path) -> Result<(), String> {
    let text = step.file.as_ref().map(|file| known.filled(file, directory)).unwrap_or_else(|| known.file.clone());
    let file = directory.join("file");
    std::fs::write(&file, &text).unwrap();
    let arguments: Vec<String> = step.amtool.iter().flatten().map(|argument| known.filled(argument, &file)).collect();
    let mut child = Command::new(amtool)
        .arg(format!("--alertmanager.url={url}"))
        .arg("--no-version-check")
        .args(&arguments)
        .env("HOME", directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
    let output = child.wait_with_output().unwrap();
    let printed = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let what = format!("amtool {}", arguments.join(" "));
    if output.status.code() != Some(step.exit) {
        return Err(format!("{what}: ended with {}: {printed}", output.status));
    }
    if step.keep {
        known.file = String::from_utf8_lossy(&output.stdout).into_owned();
    }
    check_text(step, &what, &printed, known)?;
    if let Some(want) = &step.answer {
        let got: Value =
            serde_json::from_slice(&output.stdout).map_err(|error| format!("{what}: {error}: {printed}"))?;
        if !fits(&known.filled_value(want, directory), &got) {
            return Err(format!("{what}: {got} instead of {want}"));
        }
    }
    Ok(())
}

fn run(url: &str, case: &Case, amtool: Option<&Path>, is_ours: bool) -> Result<(), String> {
    let directory = tempfile::tempdir().unwrap();
    let mut known = Known::default();
    for (number, step) in case.steps.iter().enumerate() {
        if is_ours && step.differs_here {
            continue;
        }
        let done = match (&step.request, amtool) {
            (Some(_), _) => ask(url, step, &mut known, directory.path()),
            (None, Some(amtool)) => call(amtool, url, step, &mut known, directory.path()),
            (None, None) => return Ok(()),
        };
        done.map_err(|error| format!("step {}: {error}", number + 1))?;
    }
    Ok(())
}

fn cases() -> BTreeMap<String, Case> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/alertmanager");
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let read = |file: PathBuf| {
        let text = std::fs::read_to_string(&file).unwrap();
        let case = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        (file.file_name().unwrap().to_string_lossy().into_owned(), case)
    };
    files.map(read).collect()
}

#[test]
fn the_api_and_amtool_do_what_the_cases_say() {
    let amtool = peer("amtool");
    if amtool.is_none() {
        println!("skipped: the steps with amtool, there is no usr/bin/amtool in AFFERENT_PEERS");
    }
    let failures: Vec<String> = cases()
        .iter()
        .filter_map(|(name, case)| {
            Some(format!("{name}: {}", run(&start_ours(case).url, case, amtool.as_deref(), true).err()?))
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn alertmanager_does_what_the_cases_say() {
    let (Some(amtool), Some(alertmanager), true) =
        (peer("amtool"), peer("prometheus-alertmanager"), Path::new(TEMPLATES).is_file())
    else {
        println!("skipped: there is no amtool or prometheus-alertmanager in AFFERENT_PEERS, or no {TEMPLATES}");
        return;
    };
    let failures: Vec<String> = cases()
        .iter()
        .filter_map(|(name, case)| {
            let peer = start_peer(&alertmanager, case);
            Some(format!("{name}: {}", run(&peer.url, case, Some(&amtool), false).err()?))
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
