//! The shipped rules, tests, runbooks and routes of `observability/`: what is promised of each holds for all.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use config::{NameValidation, Placed, RuleKind};
use model::{Clock, SystemClock};
use rules::Language;
use serde_json::{Value, json};

use crate::differential::peer;
use crate::harness::{Server, http_get, raw_post, wait_for};

/// The top of the repository.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The files of a directory of `observability/` whose names end so, sorted.
fn shipped(directory: &str, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(repository().join("observability").join(directory)).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.to_str().unwrap().ends_with(ending));
    files.sort();
    assert!(!files.is_empty(), "{directory}");
    files
}

fn run(program: &Path, args: &[&str], files: &[PathBuf]) -> Output {
    Command::new(program).args(args).args(files).output().expect("the program runs")
}

fn assert_success(output: &Output) {
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
}

/// Our binary, and promtool where there is one.
fn checkers() -> Vec<PathBuf> {
    [PathBuf::from(env!("CARGO_BIN_EXE_afferent"))].into_iter().chain(peer("promtool")).collect()
}

struct ShippedAlert {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    is_over_logs: bool,
}

fn texts(of: &BTreeMap<String, Placed>) -> BTreeMap<String, String> {
    of.iter().map(|(name, value)| (name.clone(), value.text.clone())).collect()
}

/// Every alert by its name; no name stands twice.
fn alerts() -> BTreeMap<String, ShippedAlert> {
    let mut all = BTreeMap::new();
    for (directory, language) in [("prometheus-rules", Language::Promql), ("loki-rules", Language::Logql)] {
        for path in shipped(directory, ".yml") {
            let text = std::fs::read_to_string(&path).unwrap();
            let loaded = rules::check_rules(&text, &path, NameValidation::default(), language);
            let loaded = loaded.unwrap_or_else(|errors| panic!("{errors}"));
            assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
            let found = loaded.config.groups.iter().flat_map(|group| &group.rules);
            for rule in found.filter(|rule| rule.kind == RuleKind::Alerting) {
                let alert = ShippedAlert {
                    labels: texts(&rule.labels),
                    annotations: texts(&rule.annotations),
                    is_over_logs: language == Language::Logql,
                };
                assert!(all.insert(rule.name.text.clone(), alert).is_none(), "{} stands twice", rule.name.text);
            }
        }
    }
    all
}

#[test]
fn shipped_rules_pass_the_checks() {
    let rules = shipped("prometheus-rules", ".yml");
    let checkers = checkers();
    if checkers.len() < 2 {
        println!("skipped: no promtool to check rules with; set AFFERENT_PEERS to a directory with usr/bin/promtool");
    }
    for checker in checkers {
        assert_success(&run(&checker, &["check", "rules", "--lint-fatal"], &rules));
    }
    let afferent = Path::new(env!("CARGO_BIN_EXE_afferent"));
    assert_success(&run(afferent, &["check", "rules", "--lint-fatal"], &shipped("loki-rules", ".yml")));
    assert_success(&run(afferent, &["check", "config"], &[repository().join("observability")]));
}

#[test]
fn shipped_unit_tests_pass() {
    let checkers = checkers();
    if checkers.len() < 2 {
        println!("skipped: no promtool to test rules with; set AFFERENT_PEERS to a directory with usr/bin/promtool");
    }
    std::thread::scope(|scope| {
        for file in shipped("tests", ".test.yml") {
            for checker in &checkers {
                let file = file.clone();
                scope.spawn(move || assert_success(&run(checker, &["test", "rules"], &[file])));
            }
        }
    });
}

#[test]
fn every_shipped_alert_says_what_is_promised_and_is_tested() {
    let mut tested = BTreeSet::new();
    let mut quiet = BTreeSet::new();
    for path in shipped("tests", ".test.yml") {
        let tests = config::load_rule_tests(&std::fs::read_to_string(&path).unwrap(), &path).unwrap().config;
        for case in tests.tests.iter().flat_map(|test| &test.alert_rule_test) {
            let set = if case.exp_alerts.is_empty() { &mut quiet } else { &mut tested };
            set.insert(case.alertname.clone());
        }
    }
    for case in log_cases() {
        tested.insert(case["alert"].as_str().unwrap().to_owned());
        quiet.insert(case["alert"].as_str().unwrap().to_owned());
    }
    let alerts = alerts();
    assert!(alerts.len() > 100 && alerts.values().filter(|alert| alert.is_over_logs).count() >= 18);
    for (name, alert) in &alerts {
        let severity = alert.labels.get("severity").map_or("", String::as_str);
        let expected: &[&str] = if name == "Watchdog" { &["none"] } else { &["critical", "warning", "info"] };
        assert!(expected.contains(&severity), "{name}: severity {severity:?}");
        assert!(alert.labels.get("category").is_some_and(|category| !category.is_empty()), "{name}: category");
        for annotation in ["summary", "description", "runbook_url"] {
            assert!(alert.annotations.get(annotation).is_some_and(|text| !text.is_empty()), "{name}: {annotation}");
        }
        let url = &alert.annotations["runbook_url"];
        let (page, anchor) = url.split_once('#').unwrap_or_else(|| panic!("{name}: {url}"));
        let page = std::fs::read_to_string(repository().join(page)).unwrap_or_else(|e| panic!("{name}: {page}: {e}"));
        let mut headings = page.lines().filter_map(|line| line.strip_prefix("### "));
        assert!(headings.any(|heading| heading == name) && anchor == name.to_lowercase(), "{name}: no section {url}");
        assert!(tested.contains(name), "{name}: no test in which it fires");
        assert!(name == "Watchdog" || quiet.contains(name), "{name}: no test in which it does not fire");
    }
    let unknown: Vec<&String> = tested.union(&quiet).filter(|name| !alerts.contains_key(*name)).collect();
    assert!(unknown.is_empty(), "tests of alerts that are not shipped: {unknown:?}");
}

fn log_cases() -> Vec<Value> {
    let path = repository().join("observability/tests/biowerk-log-alerts.cases.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Each case has lines with which its alert fires, and others, just below its threshold, with which it does not. Both go in as lines
/// of services of their own.
#[test]
fn shipped_log_rules_fire_at_their_thresholds() {
    let now = i128::from(SystemClock.now().ms()) * 1_000_000;
    let mut streams = Vec::new();
    let cases = log_cases();
    for case in &cases {
        let alert = case["alert"].as_str().unwrap();
        for kind in ["fires", "quiet"] {
            let level = case.get("quiet_level").filter(|_| kind == "quiet").unwrap_or(&case["level"]);
            let mut values: Vec<Value> = Vec::new();
            for entry in case[kind].as_array().unwrap() {
                for _ in 0..entry[1].as_u64().unwrap() {
                    let time = now - values.len() as i128 * 1_000_000;
                    values.push(json!([time.to_string(), entry[0]]));
                }
            }
            streams
                .push(json!({"stream": {"service_name": format!("{kind}-{alert}"), "level": level}, "values": values}));
        }
    }

    let server = Server::start("global: {evaluation_interval: 1s}\n");
    let directory = server.directory().join("loki-rules");
    std::fs::create_dir(&directory).unwrap();
    for path in shipped("loki-rules", ".yml") {
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.replace("interval: 1m\n", "interval: 1s\n");
        std::fs::write(directory.join(path.file_name().unwrap()), text).unwrap();
    }
    let body = json!({"streams": streams}).to_string();
    let pushed = raw_post(&server.url, "/loki/api/v1/push", "application/json", body.as_bytes()).unwrap();
    assert_eq!(pushed.0, 204, "{}", String::from_utf8_lossy(&pushed.1));
    assert_eq!(raw_post(&server.url, "/-/reload", "text/plain", b"").unwrap().0, 200);

    let active = || -> BTreeSet<(String, String)> {
        let (_, answer) = http_get(&server.url, "/prometheus/api/v1/alerts");
        let alerts = answer["data"]["alerts"].as_array().cloned().unwrap_or_default();
        let label = |alert: &Value, name: &str| alert["labels"][name].as_str().unwrap_or_default().to_owned();
        alerts.iter().map(|alert| (label(alert, "alertname"), label(alert, "service"))).collect()
    };
    let pair = |case: &Value, kind: &str| {
        let alert = case["alert"].as_str().unwrap();
        (alert.to_owned(), format!("{kind}-{alert}"))
    };
    let missing = || {
        let active = active();
        cases.iter().map(|case| pair(case, "fires")).filter(|pair| !active.contains(pair)).collect::<Vec<_>>()
    };
    // The shortest window is five minutes; within it every rule has been evaluated.
    wait_for(Duration::from_secs(240), || missing().is_empty());
    assert_eq!(missing(), []);
    let active = active();
    let wrong: Vec<_> = cases.iter().map(|case| pair(case, "quiet")).filter(|pair| active.contains(pair)).collect();
    assert_eq!(wrong, []);
}

/// `${NAME:-default}` replaced by what `values` gives, else by the default; and the names in order.
fn fill(text: &str, values: &BTreeMap<String, String>) -> (String, BTreeSet<String>) {
    let mut names = BTreeSet::new();
    let mut parts = text.split("${");
    let mut out = parts.next().unwrap().to_owned();
    for part in parts {
        let (variable, rest) = part.split_once('}').unwrap();
        let (name, default) = variable.split_once(":-").unwrap_or((variable, ""));
        names.insert(name.to_owned());
        out.push_str(values.get(name).map(String::as_str).filter(|value| !value.is_empty()).unwrap_or(default));
        out.push_str(rest);
    }
    (out, names)
}

#[test]
fn shipped_routes_reach_those_whom_the_table_names() {
    let text = std::fs::read_to_string(repository().join("observability/alertmanager-config.yaml")).unwrap();
    let text: String = text.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    let example = std::fs::read_to_string(repository().join(".env.example")).unwrap();
    let (example, errors) = config::parse_env(&example);
    assert_eq!(errors, []);
    let (filled, names) = fill(&text, &example);
    let unlisted: Vec<&String> = names.iter().filter(|name| !example.contains_key(*name)).collect();
    assert!(unlisted.is_empty(), "not in .env.example: {unlisted:?}");
    assert_eq!(example["SLACK_CRITICAL_CHANNEL"], "#biowerk-critical-alerts");

    let Some(amtool) = peer("amtool") else {
        println!("skipped: no amtool to check with; set AFFERENT_PEERS to a directory with usr/bin/amtool");
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("alertmanager.yml");
    for text in [fill(&text, &BTreeMap::new()).0, filled] {
        std::fs::write(&file, text).unwrap();
        assert_success(&run(&amtool, &["check-config"], std::slice::from_ref(&file)));
    }
    for (labels, receivers) in [
        ("alertname=Watchdog severity=none category=watchdog", "heartbeat"),
        ("alertname=a severity=critical category=availability", "critical"),
        ("alertname=a severity=critical category=security", "security"),
        ("alertname=a severity=warning category=security", "security"),
        ("alertname=a severity=critical category=database", "database,critical"),
        ("alertname=a severity=warning category=database", "database,warnings"),
        ("alertname=a severity=warning category=compliance", "compliance,warnings"),
        ("alertname=a severity=warning category=cpu", "warnings"),
        ("alertname=a severity=info category=latency", "info"),
        ("alertname=TestAlert", "default"),
    ] {
        let verify = format!("--verify.receivers={receivers}");
        let config = format!("--config.file={}", file.display());
        let mut args = vec!["config", "routes", "test", &config, &verify];
        args.extend(labels.split(' '));
        assert_success(&run(&amtool, &args, &[]));
    }
}
