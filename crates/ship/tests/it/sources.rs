//! Sources other than files, receivers with labels and tenants of their own, a store in the process, the status server.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use config::Environment;
use model::{LogBatch, LogFuture, LogReport, LogSink};
use prometheus_client::registry::Registry;
use ship::{Destination, wire};
use tokio_util::sync::CancellationToken;

use crate::harness::{Place, Running, numbered};
use crate::receiver::{Loki, pause};

fn config(place: &Place, url: &str, job: &str) -> String {
    let base = place.config(url, "none", "");
    format!("{base}  - job_name: other\n{job}")
}

/// The address that a source of the kind listens on.
fn address(running: &Running<'_>, kind: &str) -> String {
    let status = running.shipper.as_ref().unwrap().status();
    status.sources.iter().find(|source| source.kind == kind).unwrap().name.clone()
}

#[test]
fn syslog_over_tcp_and_udp() {
    let (place, loki) = (Place::new(), Loki::start());
    let job = "    syslog:\n      listen_address: 127.0.0.1:0\n      labels: {job: syslog}\n      label_structured_data: true\n      use_incoming_timestamp: true\n    \
               relabel_configs:\n      - {source_labels: [__syslog_message_hostname], target_label: host}\n      \
               - {source_labels: [__syslog_message_severity], target_label: severity}\n      \
               - {source_labels: [__syslog_message_sd_my_id_user], target_label: user}\n";
    let running = place.start(&config(&place, &loki.url(), job));
    let mut stream = TcpStream::connect(address(&running, "syslog")).unwrap();
    let counted = "<165>1 2003-10-11T22:14:15.003Z web app - - [my@id user=\"bob\"] counted";
    write!(stream, "{} {counted}<11>1 - db - - - - by line\nnonsense\n<11>1 - - - - - -\n", counted.len()).unwrap();
    loki.wait_for(2);
    let lines = loki.lines();
    assert_eq!(lines[0].labels, "{host=\"web\", job=\"syslog\", severity=\"notice\", user=\"bob\"}");
    assert_eq!((lines[0].timestamp, lines[0].line.as_slice()), (1_065_910_455_003_000_000, &b"counted"[..]));
    assert_eq!(lines[1].labels, "{host=\"db\", job=\"syslog\", severity=\"error\"}");
    running.stop();

    let (place, loki) = (Place::new(), Loki::start());
    let job = "    syslog: {listen_address: '127.0.0.1:0', listen_protocol: udp, syslog_format: rfc3164, labels: {job: old}}\n";
    let running = place.start(&config(&place, &loki.url(), job));
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for number in 0..20 {
        let text = format!("<34>Oct 11 22:14:15 host su[1]: message {number}\n");
        socket.send_to(text.as_bytes(), address(&running, "syslog")).unwrap();
    }
    loki.wait_for(20);
    assert_eq!(loki.texts(), numbered("message", 0..20));
    running.stop();
}

#[test]
fn pushes_are_taken_on_and_answered_once_durable() {
    let (place, loki) = (Place::new(), Loki::start());
    let job = "    loki_push_api:\n      server: {http_listen_address: 127.0.0.1, http_listen_port: 0}\n      labels: {via: push}\n      use_incoming_timestamp: true\n    \
               relabel_configs:\n      - {source_labels: [app], regex: secret, action: drop}\n";
    let running = place.start(&config(&place, &loki.url(), job));
    let post = |path: &str, headers: &str, body: &[u8]| {
        let mut stream = TcpStream::connect(address(&running, "push")).unwrap();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n",
            body.len()
        )
        .unwrap();
        stream.write_all(body).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    let json = br#"{"streams":[{"stream":{"app":"a"},"values":[["5","one",{"trace":"t"}],["6","two"]]},{"stream":{"app":"secret"},"values":[["5","no"]]}]}"#;
    let json_header = "content-type: application/json\r\nx-scope-orgid: team\r\n";
    assert_eq!(post("/loki/api/v1/push", json_header, json), "204");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(json).unwrap();
    let packed = gzip.finish().unwrap();
    assert_eq!(
        post("/loki/api/v1/push", "content-type: application/json\r\ncontent-encoding: gzip\r\n", &packed),
        "204"
    );
    assert_eq!(post("/promtail/api/v1/raw", "", b"raw one\nraw two\n"), "204");
    for (headers, bad) in [("", &b"\xff\xff\xff"[..]), (json_header, b"{"), ("content-encoding: gzip\r\n", b"no gzip")]
    {
        assert_eq!(post("/loki/api/v1/push", headers, bad), "400");
    }
    loki.wait_for(6);
    let lines = loki.lines();
    let of_team: Vec<_> = lines.iter().filter(|line| line.tenant == "team").collect();
    assert_eq!(of_team.len(), 2);
    assert_eq!((of_team[0].labels.as_str(), of_team[0].timestamp), ("{app=\"a\", via=\"push\"}", 5));
    assert_eq!(of_team[0].metadata, [("trace".to_owned(), "t".to_owned())]);
    assert!(!loki.texts().contains(&"no".to_owned()));
    running.stop();
}

/// A stand-in for Docker on a port; the paths of logs that were asked for.
fn docker() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let record = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let record = record.clone();
            std::thread::spawn(move || answer_as_docker(stream, &record));
        }
    });
    (format!("tcp://{address}"), asked)
}

/// Answers one request as a Docker with one container, whose log ends after `first` until it is asked again.
fn answer_as_docker(mut stream: impl Read + Write, asked: &Mutex<Vec<String>>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) > 0 {
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    // The client may be gone.
    let _ = if path.contains("/logs") {
        asked.lock().unwrap().push(path);
        let frame = |stream: u8, text: &str| {
            let mut out = vec![stream, 0, 0, 0];
            out.extend_from_slice(&(text.len() as u32).to_be_bytes());
            out.extend_from_slice(text.as_bytes());
            out
        };
        let mut body = frame(1, "2024-01-01T00:00:01.5Z out one\n");
        body.extend(frame(2, "2024-01-01T00:00:01.6Z err one\n"));
        body.extend(frame(1, "2024-01-01T00:00:01.7Z in two "));
        body.extend(frame(1, "2024-01-01T00:00:01.8Z parts\n"));
        let head =
            "HTTP/1.1 200 OK\r\ncontent-type: application/vnd.docker.multiplexed-stream\r\nconnection: close\r\n\r\n";
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).map(|()| pause(300))
    } else {
        let body = if path.contains("containers/json") {
            r#"[{"Id":"c0ffee","Names":["/web-1"],"Labels":{"com.docker.compose.service":"web"},"HostConfig":{"NetworkMode":"bridge"}}]"#
        } else {
            r#"{"Id":"c0ffee","State":{"Status":"running"}}"#
        };
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
}

#[cfg(unix)]
#[test]
fn a_docker_that_starts_later_is_found() {
    let (place, loki) = (Place::new(), Loki::start());
    let socket = place.path("docker.sock");
    let job = format!("    docker_sd_configs: [{{host: 'unix://{}', refresh_interval: 50ms}}]\n", socket.display());
    let relabel = "    relabel_configs: [{source_labels: [__meta_docker_container_name], target_label: container}]\n";
    let running = place.start(&config(&place, &loki.url(), &(job + relabel)));
    pause(300);
    assert!(loki.lines().is_empty());
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer_as_docker(stream, &Mutex::default()));
        }
    });
    loki.wait_for(3);
    running.stop();
}

#[test]
fn containers_are_followed_and_no_line_comes_twice() {
    let (place, loki) = (Place::new(), Loki::start());
    let (host, asked) = docker();
    let job = format!(
        "    docker_sd_configs: [{{host: '{host}', refresh_interval: 200ms}}]\n    relabel_configs:\n      \
         - {{source_labels: [__meta_docker_container_name], regex: '/(.*)', target_label: container}}\n      \
         - {{source_labels: [__meta_docker_container_log_stream], target_label: stream}}\n      \
         - {{source_labels: [__meta_docker_container_label_com_docker_compose_service], target_label: service}}\n"
    );
    let running = place.start(&config(&place, &loki.url(), &job));
    loki.wait_for(3);
    // The log ends, is asked for again, and begins anew: all of it is known.
    let begun = Instant::now();
    while asked.lock().unwrap().len() < 2 && begun.elapsed() < Duration::from_secs(10) {
        pause(50);
    }
    running.stop();
    let running = place.start(&config(&place, &loki.url(), &job));
    pause(700);
    running.stop();
    let mut lines = loki.lines();
    lines.sort_by_key(|line| line.timestamp);
    let texts: Vec<_> = lines.iter().map(|line| String::from_utf8_lossy(&line.line).into_owned()).collect();
    assert_eq!(texts, ["out one", "err one", "in two parts"]);
    assert_eq!(lines[1].labels, "{container=\"web-1\", service=\"web\", stream=\"stderr\"}");
    assert_eq!(lines[0].timestamp, 1_704_067_201_500_000_000);
    assert!(asked.lock().unwrap().iter().skip(1).all(|path| path.contains("since=1704067201")));
}

#[test]
fn receivers_have_labels_and_tenants_of_their_own() {
    let (place, one, two) = (Place::new(), Loki::start(), Loki::start());
    let config = place.config(&one.url(), "*.log", "").replacen(
        "clients: [{",
        &format!(
            "clients: [{{url: '{}', batchwait: 50ms, tenant_id: b, external_labels: {{dc: x, app: loses}}}}, {{",
            two.url()
        ),
        1,
    );
    place.write("a.log", &numbered("line", 0..5));
    let running = place.start(&config);
    one.wait_for(5);
    two.wait_for(5);
    running.stop();
    let file = place.path("a.log").display().to_string();
    assert_eq!(one.lines()[0].labels, format!("{{app=\"test\", filename=\"{file}\"}}"));
    assert_eq!(two.lines()[0].labels, format!("{{app=\"test\", dc=\"x\", filename=\"{file}\"}}"));
    assert_eq!((one.lines()[0].tenant.as_str(), two.lines()[0].tenant.as_str()), ("", "b"));
}

#[derive(Default)]
struct Store(Mutex<Vec<LogBatch>>);

impl LogSink for Store {
    fn append(&self, batch: LogBatch) -> LogFuture {
        let stored = batch.len() as u64;
        self.0.lock().unwrap().push(batch);
        Box::pin(async move { Ok(LogReport { stored, rejected: Vec::new() }) })
    }
}

#[test]
fn a_store_in_the_process_takes_the_place_of_clients() {
    let place = Place::new();
    let stages = "    pipeline_stages:\n      - regex: {expression: '(?P<id>\\d+)'}\n      - structured_metadata: {id: }\n      - tenant: {value: team}\n";
    place.write("a.log", &["line 7".into()]);
    let text = place.config("http://nobody:1/", "*.log", stages);
    let text = text.replace("url: 'http://nobody:1/'", "url: 'http://nobody:1/', external_labels: {dc: x}");
    let loaded = config::load_promtail_text(&text, Path::new("promtail.yaml"), &Environment::default()).unwrap();
    let store = Arc::new(Store::default());
    let destination = Destination::Sink {
        sink: store.clone(),
        stands_for: Arc::new(|url| url.as_url().host_str() == Some("nobody")),
    };
    let running = place.start_with(&loaded, destination);
    let begun = Instant::now();
    while store.0.lock().unwrap().is_empty() && begun.elapsed() < Duration::from_secs(10) {
        pause(20);
    }
    running.stop();
    let batches = store.0.lock().unwrap();
    assert_eq!(batches[0].tenant.as_str(), "team");
    let entry = batches[0].entry(0);
    assert_eq!((entry.line(), entry.metadata().collect::<Vec<_>>()), (&b"line 7"[..], vec![("id", "7")]));
    let labels = &batches[0].streams()[0];
    assert_eq!((labels.get("app"), labels.get("dc")), (Some("test"), Some("x")));
}

#[test]
fn the_status_server_tells_how_it_goes() {
    let (place, loki) = (Place::new(), Loki::start());
    place.write("a.log", &numbered("line", 0..5));
    let running = place.start(&place.config(&loki.url(), "*.log", ""));
    let mut registry = Registry::default();
    let shipper = running.shipper.as_ref().unwrap();
    place.metrics.register(&mut registry);
    let stop = CancellationToken::new();
    let serving = ship::serve(shipper, "127.0.0.1:0".parse().unwrap(), registry, stop.clone());
    let address = place.runtime.block_on(serving).unwrap();
    loki.wait_for(5);
    pause(300);
    let get = |path: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(get("/ready").contains("Ready"));
    let path = place.path("a.log").display().to_string();
    let metrics = get("/metrics");
    for expected in [
        format!("promtail_read_lines_total{{path=\"{path}\"}} 5"),
        format!("promtail_read_bytes_total{{path=\"{path}\"}} 35"),
        format!("promtail_sent_entries_total{{host=\"{}\"}} 5", loki.address),
        "promtail_files_active_total 1".to_owned(),
        "promtail_request_duration_seconds_count{status_code=\"204\"".to_owned(),
    ] {
        assert!(metrics.contains(&expected), "{expected} is not in\n{metrics}");
    }
    assert!(get("/targets").contains(&format!("file {path} [files]: 35 of 35 bytes, following")));
    let json = get("/targets?format=json");
    let body: serde_json::Value = serde_json::from_str(json.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!(body["files"][0]["offset"], 35);
    stop.cancel();
    running.stop();
}

#[test]
fn a_stop_is_quick_whatever_is_away_or_open() {
    let (place, loki) = (Place::new(), Loki::start());
    let url = loki.url();
    drop(loki);
    let job = "    syslog: {listen_address: '127.0.0.1:0'}\n    docker_sd_configs: [{host: 'tcp://127.0.0.1:1'}]\n";
    let running = place.start(&config(&place, &url, job));
    let mut open = TcpStream::connect(address(&running, "syslog")).unwrap();
    open.write_all(b"<11>1 - db - - - - kept\n").unwrap();
    pause(400);
    let begun = Instant::now();
    running.stop();
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    // What was acknowledged by nobody but read is in the buffer.
    let loki = Loki::start_at(url.split('/').nth(2).unwrap(), Arc::default());
    let running = place.start(&config(&place, &url, job));
    loki.wait_for(1);
    running.stop();
    assert_eq!(loki.texts(), ["kept"]);
    assert_eq!(wire::unpack(&wire::pack(b"x")).unwrap(), b"x");
}
