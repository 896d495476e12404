//! Real clients of Prometheus' API. Needs `AFFERENT_PEERS` (a directory with `promtool` or `usr/bin/promtool`).

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use model::{Clock, SystemClock};

use crate::harness::{Server, wait_for};

fn promtool() -> Option<PathBuf> {
    let peers = PathBuf::from(std::env::var_os("AFFERENT_PEERS")?);
    ["promtool", "usr/bin/promtool"].iter().map(|name| peers.join(name)).find(|path| path.exists())
}

#[test]
fn promtool_is_answered() {
    let Some(promtool) = promtool() else {
        println!("skipped: client test, no promtool below AFFERENT_PEERS");
        return;
    };
    let server = Server::start(
        "scrape_configs:\n- job_name: self\n  scrape_interval: 1s\n  scrape_timeout: 1s\n  \
         static_configs: [{targets: ['${AFFERENT_ADDRESS}']}]\n",
    );
    let now = || SystemClock.now().seconds();
    let up = || !server.query("up{job=\"self\"}", now()).as_array().unwrap().is_empty();
    assert!(wait_for(Duration::from_secs(20), up));
    let (start, end) = ((now() as i64 - 60).to_string(), (now() as i64 + 10).to_string());
    let ask = |args: &[&str]| {
        let output = Command::new(&promtool).args(args).output().expect("promtool runs");
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    for (args, expected) in [
        (vec!["query", "instant", &server.url, "up"], "up{instance="),
        (vec!["query", "instant", &server.url, "scalar(count(up))"], "scalar: 1 @["),
        (vec!["query", "range", "--start", &start, "--end", &end, "--step", "5s", &server.url, "up"], "up{instance="),
        (vec!["query", "series", "--match", "up", &server.url], "job=\"self\""),
        (vec!["query", "labels", &server.url, "job"], "self"),
    ] {
        let (success, answer) = ask(&args);
        assert!(success && answer.contains(expected), "{args:?}: {answer}");
    }
    let (success, answer) = ask(&["query", "instant", &server.url, "up{"]);
    assert!(!success && answer.contains("parse error"), "{answer}");
}
