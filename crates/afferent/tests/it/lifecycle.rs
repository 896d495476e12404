//! Start and end: one server for one data directory, an orderly stop, doors that stay shut.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::harness::{Server, http_get, raw_request, wait_for};

const CONFIG: &str = "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n- job_name: self\n  \
                      static_configs: [{targets: ['${AFFERENT_ADDRESS}']}]\n- job_name: host\n  \
                      metrics_path: /exporters/host\n  static_configs: [{targets: ['${AFFERENT_ADDRESS}']}]\n";

/// `serve` with these arguments behind a configuration and a data directory of its own.
fn serve(directory: &TempDir, config: &str, more: &[&str]) -> Command {
    std::fs::write(directory.path().join("prometheus.yml"), config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_afferent"));
    command.arg("serve").arg("--config").arg(directory.path()).arg("--data").arg(directory.path().join("data"));
    command.args(["--classic-ports", "off"]).args(more).stdin(Stdio::null());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn run_to_end(mut command: Command) -> Output {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().expect("the binary runs")
}

fn end_within(child: &mut Child, limit: Duration) -> Option<i32> {
    let mut status = None;
    wait_for(limit, || {
        status = child.try_wait().expect("the child can be asked");
        status.is_some()
    });
    status.and_then(|s| s.code())
}

#[test]
fn it_scrapes_itself_and_its_machine() {
    let server = Server::start(CONFIG);
    let now = || model::Clock::now(&model::SystemClock).seconds();
    let seen =
        |query: &str| wait_for(Duration::from_secs(20), || !server.query(query, now()).as_array().unwrap().is_empty());
    assert!(seen("up{job=\"self\"} == 1"), "the product's own metrics are scraped");
    assert!(seen("rate(prometheus_http_requests_total{handler=\"/metrics\"}[10s]) > 0"));
    assert!(seen("process_resident_memory_bytes{job=\"self\"} > 1e6"));
    assert!(seen("up{job=\"host\"} == 1"), "the machine is scraped");
    assert!(seen("sum by (mode) (node_cpu_seconds_total{job=\"host\"})"));
    let (_, targets) = http_get(&server.url, "/api/v1/targets?state=active");
    let targets = targets["data"]["activeTargets"].as_array().unwrap().clone();
    assert_eq!(targets.len(), 2);
    assert!(targets.iter().all(|t| t["health"] == "up"), "{targets:?}");
}

#[test]
fn sigterm_ends_it_in_order_and_nothing_is_lost() {
    let mut server = Server::start(CONFIG);
    let query = "count_over_time(up{job=\"self\"}[1m])";
    let now = || model::Clock::now(&model::SystemClock).seconds();
    assert!(wait_for(Duration::from_secs(20), || !server.query(query, now()).as_array().unwrap().is_empty()));
    let since = Instant::now();
    kill(Pid::from_raw(server.child().id() as i32), Signal::SIGTERM).unwrap();
    assert_eq!(end_within(server.child(), Duration::from_secs(10)), Some(0));
    assert!(since.elapsed() < Duration::from_secs(8), "{:?}", since.elapsed());
    let at = now();
    server.restart();
    assert!(!server.query(query, at).as_array().unwrap().is_empty());
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let server = Server::start("scrape_configs: []\n");
    let mut command = Command::new(env!("CARGO_BIN_EXE_afferent"));
    command.arg("serve").arg("--config").arg(server.directory()).arg("--data").arg(server.directory().join("data"));
    command.args(["--listen", "127.0.0.1:0", "--classic-ports", "off"]);
    let second = run_to_end(command);
    assert_eq!(second.status.code(), Some(1));
    let error = text(&second.stderr);
    assert!(error.contains("is in use by the server with process id"), "{error}");
    assert_eq!(http_get(&server.url, "/-/healthy").0, 200, "the first one goes on");
}

#[test]
fn a_bad_configuration_ends_the_start_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let config = "global:\n  scrape_interval: 15s\n  scrape_intervall: 1s\n";
    let output = run_to_end(serve(&directory, config, &["--listen", "127.0.0.1:0"]));
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(error.contains("prometheus.yml:3:3:") && error.contains("scrape_intervall"), "{error}");
}

#[test]
fn doors_beyond_loopback_stay_shut() {
    let directory = tempfile::tempdir().unwrap();
    for address in ["0.0.0.0:0", "[::]:0"] {
        let output = run_to_end(serve(&directory, "scrape_configs: []\n", &["--listen", address]));
        assert_eq!(output.status.code(), Some(1));
        let error = text(&output.stderr);
        assert!(error.contains("beyond loopback, login is required"), "{error}");
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run_to_end(serve(&directory, "scrape_configs: []\n", &["--listen", &address]));
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(error.contains(&format!("cannot listen on {address}")), "{error}");
    assert_eq!(error.matches("os error").count(), 1, "{error}");
    let output =
        run_to_end(serve(&directory, "scrape_configs: []\n", &["--listen", "127.0.0.1:0", "--memory", "1KiB"]));
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("128 MiB at least"), "{}", text(&output.stderr));
}

#[test]
fn a_job_that_cannot_run_does_not_keep_the_server_from_its_work() {
    let config = "scrape_configs:\n- job_name: bad\n  scheme: https\n  tls_config: {ca_file: gone.pem}\n  \
                  static_configs: [{targets: ['localhost:1']}]\n- job_name: self\n  scrape_interval: 1s\n  \
                  static_configs: [{targets: ['${AFFERENT_ADDRESS}']}]\n";
    let server = Server::start(config);
    let (_, targets) = http_get(&server.url, "/api/v1/targets");
    let errors = &targets["data"]["scrapePoolErrors"];
    assert!(errors["bad"][0].as_str().is_some_and(|text| text.contains("gone.pem")), "{errors}");
    assert_eq!(targets["data"]["activeTargets"][0]["scrapePool"], "self");
    assert_eq!(
        http_get(&server.url, "/api/v1/scrape_pools").1["data"]["scrapePools"],
        serde_json::json!(["bad", "self"])
    );
}

#[test]
fn an_unreachable_bucket_of_a_fresh_directory_is_told_soon_and_once() {
    let directory = tempfile::tempdir().unwrap();
    let address = format!("127.0.0.1:{}", crate::harness::free_port());
    let mut command = serve(&directory, "scrape_configs: []\n", &["--listen", &address, "--blocks", "s3://bucket/x"]);
    let nobody = format!("http://127.0.0.1:{}", crate::harness::free_port());
    for (name, value) in [
        ("AWS_ENDPOINT", nobody.as_str()),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ] {
        command.env(name, value);
    }
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    // As long as the store is not open, it says that it lives and is not ready.
    let url = format!("http://{address}");
    let status = |path: &str| raw_request(&url, "GET", path).map(|(status, _)| status).unwrap_or(0);
    assert!(wait_for(Duration::from_secs(20), || status("/-/ready") == 503 && status("/-/healthy") == 200));
    assert_eq!(end_within(&mut child, Duration::from_secs(30)), Some(1), "it does not wait for a minute");
    let mut text = String::new();
    child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    let error = text.lines().last().unwrap_or_default();
    assert!(error.contains("s3://bucket/x cannot be read") && error.contains("start again"), "{text}");
    assert_eq!(error.matches("s3://bucket/x").count(), 1, "{text}");
    assert!(!error.contains("is writable"), "{text}");
}

#[test]
fn it_says_where_it_is_and_logs_json_on_request() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = serve(&directory, "scrape_configs: []\n", &["--listen", "127.0.0.1:0", "--web.enable-lifecycle"]);
    command.env("LOG_FORMAT", "json").stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let url = first.split("running: ").nth(1).expect(&first).trim().to_owned();
    assert!(wait_for(Duration::from_secs(10), || http_get(&url, "/-/ready").0 == 200));
    let (status, body) = raw_request(&url, "POST", "/-/quit").unwrap();
    assert_eq!((status, text(&body).as_str()), (200, "Requesting termination... Goodbye!"));
    assert_eq!(end_within(&mut child, Duration::from_secs(10)), Some(0));
    let mut logs = String::new();
    child.stderr.take().unwrap().read_to_string(&mut logs).unwrap();
    assert!(logs.lines().count() > 1);
    for line in logs.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect(line);
        for field in ["timestamp", "level", "logger", "message"] {
            assert!(line[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {line}");
        }
        assert_eq!(line["service_name"], "afferent");
    }
}

#[test]
fn strangers_and_silent_clients_do_no_harm() {
    use std::io::Write;
    let server = Server::start("scrape_configs: []\n");
    let host = server.url.trim_start_matches("http://");
    let silent: Vec<_> = (0..50).map(|_| std::net::TcpStream::connect(host).unwrap()).collect();
    for garbage in [
        b"\x00\x01\x02\r\n\r\n".as_slice(),
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /api/v1/query?query=\xff HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"POST /api/v1/query HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\nshort",
        b"POST /api/v1/query HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\xff",
    ] {
        let mut stream = std::net::TcpStream::connect(host).unwrap();
        stream.write_all(garbage).unwrap();
        let _ = stream.shutdown(std::net::Shutdown::Write);
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let _ = stream.read(&mut [0; 1024]);
    }
    assert_eq!(http_get(&server.url, "/-/healthy").0, 200);
    drop(silent);
}
