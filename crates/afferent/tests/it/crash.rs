//! `kill -9` in the middle of a hundred scrapes a second loses nothing that a query could see before.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use model::{Clock, SystemClock};

use crate::harness::{Server, wait_for};

const TARGETS: usize = 100;

#[test]
fn killed_amid_scrapes_it_keeps_what_it_showed() {
    let address = serve_counters();
    let mut config = "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n".to_owned();
    let _ = write!(config, "- job_name: many\n  static_configs:\n");
    for target in 0..TARGETS {
        let _ = writeln!(config, "  - {{targets: ['{address}'], labels: {{__param_n: '{target}', n: '{target}'}}}}");
    }
    let mut server = Server::start(&config);
    let all_up = wait_for(Duration::from_secs(30), || {
        server.query("count(up == 1)", now())[0]["value"][1] == TARGETS.to_string().as_str()
    });
    assert!(all_up, "not all targets came up");

    for round in 0..3 {
        let seen_from = now();
        wait_for(Duration::from_millis(4700 + 300 * round), || false);
        // A sample can be seen a moment before it is durable and acknowledged; three seconds ago everything was both.
        let time = now() - 3.0;
        let range = format!("{}s", (time - seen_from).ceil() + 30.0);
        let questions = [
            format!("count_over_time(counter[{range}])"),
            format!("last_over_time(counter[{range}])"),
            format!("sum_over_time(up[{range}])"),
        ];
        let before: Vec<_> = questions.iter().map(|q| server.query(q, time)).collect();
        server.kill();
        server.restart();
        for (question, before) in questions.iter().zip(before) {
            let after = server.query(question, time);
            let (before, after) = (before.as_array().unwrap(), after.as_array().unwrap());
            assert_eq!(before.len(), TARGETS);
            for series in before {
                let value = |s: &serde_json::Value| s["value"][1].as_str().and_then(|v| v.parse::<f64>().ok());
                let again = after.iter().find(|s| s["metric"] == series["metric"]);
                // A scrape that was acknowledged after the question but before the kill may add to it.
                assert!(again.and_then(value) >= value(series), "{question}: {series} became {again:?}");
            }
        }
    }
}

fn now() -> f64 {
    SystemClock.now().seconds()
}

/// Every page counts how often it was asked for anything.
fn serve_counters() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let mut served = 0_u64;
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0_u8; 4096];
            if stream.read(&mut request).is_err() {
                continue;
            }
            served += 1;
            let body = format!("# TYPE counter counter\ncounter {served}\n");
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
        }
    });
    address
}
