//! Targets that misbehave: each a clear error, `up` at 0, staleness markers, and no effect on the others.

use std::io::Write;

use config::{ByteSize, Millis};
use model::is_stale;
use scrape::TargetHealth;

use crate::harness::{Harness, Reply, Request, Server, at, eventually, job};

const GOOD: &str = "# TYPE m gauge\nm{a=\"1\"} 1\nm{a=\"2\"} 2\n";

/// Every path answers well once and then as its name says.
fn misbehave(request: &Request) -> Reply {
    if request.hits == 0 {
        return Reply::text(GOOD);
    }
    let head = |more: &str| format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n{more}\r\n").into_bytes();
    match request.path.as_str() {
        "/malformed" => Reply::text("m{a=\"1\"} 1\nm{a=\"2\" 2\n"),
        "/no-eof" => Reply::openmetrics("m{a=\"1\"} 1\n"),
        "/huge" => Reply::Endless(head(""), vec![b'#'; 64 << 10]),
        "/bomb" => {
            let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            for _ in 0..50 {
                zip.write_all(&vec![b'#'; 1 << 20]).unwrap();
            }
            let zipped = zip.finish().unwrap();
            assert!(zipped.len() < 100 << 10, "small on the wire");
            Reply::with(200, "text/plain", &[("Content-Encoding", "gzip")], &zipped)
        }
        "/bad-gzip" => Reply::with(200, "text/plain", &[("Content-Encoding", "gzip")], GOOD.as_bytes()),
        "/wrong-type" => Reply::with(200, "text/html", &[], b"<html>"),
        "/no-type" => Reply::with(200, "", &[], b"m 1\n"),
        "/half-closed" => Reply::Raw([&head("Content-Length: 1000\r\n")[..], b"m{a=\"1\"} 1\n"].concat()),
        "/stalled" => Reply::Stall([&head("Content-Length: 1000\r\n")[..], b"m{a=\"1\"} 1\n"].concat()),
        "/silent" => Reply::Stall(Vec::new()),
        "/hung-up" => Reply::Raw(Vec::new()),
        "/status-500" => Reply::with(500, "text/plain", &[], b"oops"),
        "/redirected" => Reply::with(301, "", &[("Location", "/good")], b""),
        "/circle" => Reply::with(302, "", &[("Location", "/circle")], b""),
        "/duplicate" => Reply::text("m{a=\"1\"} 1\nm{a=\"1\"} 7\nm{a=\"2\"} 2\n"),
        "/same-label-twice" => Reply::text("m{a=\"1\",a=\"2\"} 1\n"),
        "/future" => {
            let tomorrow = model::Clock::now(&model::SystemClock).ms() + 3_600_000;
            Reply::text(&format!("m{{a=\"1\"}} 1 {tomorrow}\nm{{a=\"2\"}} 2\n"))
        }
        "/empty" => Reply::text(""),
        _ => Reply::text(GOOD),
    }
}

const FAILURES: [(&str, &str); 14] = [
    ("/malformed", "line 2: expected label name, got \"2\" while parsing"),
    ("/no-eof", "data does not end with # EOF"),
    ("/huge", "body size limit exceeded"),
    ("/bomb", "body size limit exceeded"),
    ("/bad-gzip", "gzip: invalid header"),
    ("/wrong-type", "received unsupported Content-Type \"text/html\" and no fallback_scrape_protocol"),
    ("/no-type", "non-compliant scrape target sending blank Content-Type and no fallback_scrape_protocol"),
    ("/half-closed", "unexpected EOF"),
    ("/stalled", "context deadline exceeded"),
    ("/silent", "context deadline exceeded"),
    ("/hung-up", "EOF"),
    ("/status-500", "server returned HTTP status 500"),
    ("/circle", "stopped after 10 redirects"),
    ("/same-label-twice", "label name \"a\" is not unique"),
];

const SURVIVED: [&str; 5] = ["/good", "/redirected", "/duplicate", "/future", "/empty"];

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_is_told_apart_and_touches_nobody_else() {
    let server = Server::start(misbehave).await;
    let harness = Harness::new();
    let paths = FAILURES.iter().map(|(path, _)| *path).chain(SURVIVED);
    let mut job = job("faults", paths.map(|path| at(&server, path)).collect());
    job.body_size_limit = ByteSize(10 << 20);
    job.scrape_interval = Millis(1000);
    job.scrape_timeout = Millis(1000);
    harness.apply(&[job]);

    for (path, error) in FAILURES {
        eventually(path, || harness.target(path).is_some_and(|t| t.health == TargetHealth::Down)).await;
        let target = harness.target(path).unwrap();
        assert!(target.last_error.contains(error), "{path}: {}", target.last_error);
        let up = harness.sink.values(&[("__name__", "up"), ("path", path)]);
        assert_eq!(up[..2], [1.0, 0.0], "{path}");
        for a in ["1", "2"] {
            let values = harness.sink.values(&[("__name__", "m"), ("path", path), ("a", a)]);
            assert_eq!(values.len(), 2, "{path}: one sample, one marker, and no second marker");
            assert!(is_stale(values[1]), "{path}");
        }
    }
    for path in SURVIVED {
        let scraped_twice = || harness.sink.values(&[("__name__", "up"), ("path", path)]).len() >= 2;
        eventually(path, scraped_twice).await;
        let up = harness.sink.values(&[("__name__", "up"), ("path", path)]);
        assert!(up.iter().all(|v| *v == 1.0), "{path}: {up:?}");
        assert_eq!(harness.target(path).unwrap().last_error, "", "{path}");
    }
    assert_eq!(harness.sink.values(&[("__name__", "m"), ("path", "/duplicate"), ("a", "1")])[1], 1.0);
    let warning = |path: &str| harness.target(path).unwrap().last_warning;
    assert_eq!(warning("/duplicate"), "1 sample dropped: duplicate sample for timestamp");
    assert_eq!(warning("/future"), "1 sample dropped: timestamp too far in the future");
    assert!(!harness.sink.ended(&[("__name__", "m"), ("path", "/good"), ("a", "1")]));
    assert!(harness.sink.ended(&[("__name__", "m"), ("path", "/empty"), ("a", "1")]));

    let mut registry = prometheus_client::registry::Registry::default();
    harness.manager.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let counter = |name: &str| {
        let line = text.lines().find(|l| l.starts_with(&format!("{name} "))).unwrap_or_else(|| panic!("no {name}"));
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    assert!(counter("prometheus_target_scrapes_exceeded_body_size_limit_total") >= 2.0);
    for reason in ["connection", "http_status", "incomplete_body", "content_type", "body_size_limit", "exposition"] {
        let name = format!("afferent_scrape_failures_total{{scrape_job=\"faults\",reason=\"{reason}\"}}");
        assert!(counter(&name) >= 1.0, "{reason}");
    }
    assert!(counter("prometheus_target_scrapes_sample_duplicate_timestamp_total") >= 1.0);
    assert!(counter("prometheus_target_scrapes_sample_out_of_bounds_total") >= 1.0);
    assert_eq!(counter("prometheus_target_scrape_pool_targets{scrape_job=\"faults\"}"), 19.0);
    harness.manager.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_listens() {
    let server = Server::start(misbehave).await;
    let address = server.address;
    let harness = Harness::new();
    harness.apply(&[job("gone", vec![at(&server, "/good")])]);
    eventually("the first scrape", || harness.target("/good").is_some_and(|t| t.health == TargetHealth::Up)).await;
    drop(server);
    eventually("the failure", || harness.target("/good").is_some_and(|t| t.health == TargetHealth::Down)).await;
    let error = harness.target("/good").unwrap().last_error;
    let expected = format!("Get \"http://{address}/good\": dial tcp {address}: connect: connection refused");
    assert_eq!(error, expected);
    assert!(harness.sink.ended(&[("__name__", "m"), ("a", "1")]));
}
