//! Targets from files, URLs and DNS, each against the real thing on this machine.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use config::{DnsRecordType, DnsSdConfig, FileSdConfig, HttpSdConfig, Millis};
use scrape::Options;
use tokio::net::UdpSocket;

use crate::harness::{Harness, Reply, Server, eventually, job};

/// `__address__` and one more label of all targets, whether they can be scraped or not.
fn found(harness: &Harness, label: &str) -> Vec<String> {
    let targets = harness.manager.targets().active;
    let show = |t: scrape::ActiveTarget| {
        let labels = t.discovered_labels;
        format!("{} {}", labels.get("__address__").unwrap_or("?"), labels.get(label).unwrap_or("-"))
    };
    let mut shown: Vec<String> = targets.into_iter().map(show).collect();
    shown.sort();
    shown
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_watched() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    // As editors do it: written beside and renamed, so that no half-written file is ever seen.
    let write = |name: &str, text: &str| {
        std::fs::write(path("new"), text).unwrap();
        std::fs::rename(path("new"), path(name)).unwrap();
    };
    write("a.json", r#"[{"targets": ["a:1", "b:1"], "labels": {"env": "x"}}]"#);
    write("b.yml", "- targets: ['c:1']\n");
    let harness = Harness::new();
    let mut config = job("files", vec![]);
    config.discovery.file_sd_configs =
        vec![FileSdConfig { files: vec![path("*.json"), path("b.yml")], refresh_interval: Millis(3_600_000) }];
    harness.apply(&[config]);
    eventually("first targets", || found(&harness, "env") == ["a:1 x", "b:1 x", "c:1 -"]).await;
    let file = path("a.json").display().to_string();
    assert_eq!(found(&harness, "__meta_filepath")[0], format!("a:1 {file}"));

    write("a.json", r#"[{"targets": ["a:2"]}]"#);
    eventually("changed file", || found(&harness, "env") == ["a:2 -", "c:1 -"]).await;
    write("c.json", r#"[{"targets": ["d:1"]}, {"targets": ["e:1"], "labels": {"env": "y"}}]"#);
    eventually("new file", || found(&harness, "env") == ["a:2 -", "c:1 -", "d:1 -", "e:1 y"]).await;

    // A file that cannot be read keeps its targets; the others go on.
    write("a.json", r#"[{"targets": ["a:3"], "lables": {}}]"#);
    write("b.yml", "- targets: ['c:2']\n");
    eventually("the other file", || found(&harness, "env") == ["a:2 -", "c:2 -", "d:1 -", "e:1 y"]).await;
    std::fs::remove_file(path("c.json")).unwrap();
    eventually("removed file", || found(&harness, "env") == ["a:2 -", "c:2 -"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn urls_are_polled() {
    let server = Server::start(|request| match request.hits {
        0 => Reply::with(200, "application/json; charset=utf-8", &[], br#"[{"targets":["a:1"],"labels":{"env":"x"}}]"#),
        1 => Reply::with(500, "application/json", &[], b"[]"),
        2 => Reply::with(200, "text/plain", &[], b"[]"),
        3 => Reply::with(200, "application/json", &[], b"[null]"),
        4 => Reply::with(200, "application/json", &[], b"{"),
        _ => Reply::with(200, "application/json", &[], br#"[{"targets":["b:1","c:1"]}]"#),
    })
    .await;
    let harness = Harness::new();
    let mut config = job("url", vec![]);
    let url = format!("http://{}/sd", server.address);
    config.discovery.http_sd_configs = vec![HttpSdConfig {
        url: config::Url::parse(&url).unwrap(),
        refresh_interval: Millis(1500),
        http: config::HttpClientConfig::default(),
    }];
    harness.apply(&[config]);
    eventually("first answer", || found(&harness, "env") == ["a:1 x"]).await;
    assert_eq!(found(&harness, "__meta_url")[0], format!("a:1 {url}"));
    eventually("the failure is shown", || {
        let troubles = harness.manager.targets().troubles;
        troubles.get("url").is_some_and(|texts| texts[0].starts_with(&url))
    })
    .await;
    eventually("five questions", || {
        let targets = found(&harness, "env");
        let asked = server.requests("/sd").len();
        assert!(asked > 5 || targets == ["a:1 x"], "failures keep what was found: {targets:?}");
        asked >= 5
    })
    .await;
    eventually("next good answer", || found(&harness, "env") == ["b:1 -", "c:1 -"]).await;
    assert!(harness.manager.targets().troubles.is_empty(), "what works again is not shown any more");
    let head = &server.requests("/sd")[0].head.to_lowercase();
    assert!(head.contains("accept: application/json\r\n"), "{head}");
    assert!(head.contains("x-prometheus-refresh-interval-seconds: 1.5\r\n"), "{head}");
}

/// Answers DNS questions over UDP: the records of a fixed zone, or NXDOMAIN, or, after `serves` answers, SERVFAIL.
async fn dns_stub(serves: usize) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let served = Arc::new(AtomicUsize::new(0));
    tokio::spawn(async move {
        let mut buffer = [0_u8; 1500];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
            let fails = served.fetch_add(1, Ordering::SeqCst) >= serves;
            let answer = dns_answer(&buffer[..length], fails);
            let _ = socket.send_to(&answer, peer).await;
        }
    });
    address
}

fn dns_name(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in name.trim_end_matches('.').split('.') {
        out.push(label.len() as u8);
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
    out
}

fn dns_answer(question: &[u8], fails: bool) -> Vec<u8> {
    let end = 12 + question[12..].iter().position(|b| *b == 0).unwrap() + 5;
    let asked = &question[12..end];
    let kind = u16::from_be_bytes([asked[asked.len() - 4], asked[asked.len() - 3]]);
    let name = asked[..asked.len() - 4].to_ascii_lowercase();
    let srv = |host: &str, port: u16| [&[0, 1, 0, 2][..], &port.to_be_bytes(), &dns_name(host)].concat();
    let records: Vec<(u16, Vec<u8>)> = match kind {
        _ if name != dns_name("svc.test") => vec![],
        1 => vec![(1, vec![10, 0, 0, 1]), (1, vec![10, 0, 0, 2])],
        28 => vec![(28, [&[0_u8; 15][..], &[1]].concat())],
        33 => vec![(33, srv("one.test", 8080)), (33, srv("two.test", 9090))],
        15 => vec![(15, [&[0, 10][..], &dns_name("mail.test")].concat())],
        _ => vec![],
    };
    let code = if fails {
        2
    } else if name != dns_name("svc.test") {
        3
    } else {
        0
    };
    let mut out = vec![question[0], question[1], 0x81, 0x80 | code, 0, 1];
    out.extend((if fails { 0 } else { records.len() as u16 }).to_be_bytes());
    out.extend([0, 0, 0, 0]);
    out.extend(asked);
    for (kind, data) in records.iter().filter(|_| !fails) {
        out.extend([0xc0, 12]);
        out.extend(kind.to_be_bytes());
        out.extend([0, 1, 0, 0, 0, 60]);
        out.extend((data.len() as u16).to_be_bytes());
        out.extend(data);
    }
    out
}

fn dns_job(record_type: DnsRecordType, name: &str) -> config::ScrapeConfig {
    let mut config = job(&format!("{record_type:?}"), vec![]);
    config.discovery.dns_sd_configs =
        vec![DnsSdConfig { names: vec![name.into()], refresh_interval: Millis(300), record_type, port: 9100 }];
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_resolved() {
    let server = dns_stub(usize::MAX).await;
    let cases = [
        (DnsRecordType::A, "__meta_dns_name", vec!["10.0.0.1:9100 svc.test", "10.0.0.2:9100 svc.test"]),
        (DnsRecordType::Aaaa, "__meta_dns_name", vec!["[::1]:9100 svc.test"]),
        (
            DnsRecordType::Srv,
            "__meta_dns_srv_record_target",
            vec!["one.test:8080 one.test.", "two.test:9090 two.test."],
        ),
        (DnsRecordType::Srv, "__meta_dns_srv_record_port", vec!["one.test:8080 8080", "two.test:9090 9090"]),
        (DnsRecordType::Mx, "__meta_dns_mx_record_target", vec!["mail.test:9100 mail.test."]),
    ];
    for (record_type, label, expected) in cases {
        let harness = Harness::with(Options { dns_server: Some(server), ..Options::default() });
        harness.apply(&[dns_job(record_type, "svc.test")]);
        eventually(label, || found(&harness, label) == expected).await;
        harness.manager.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_server_that_fails_takes_no_target_away() {
    let server = dns_stub(1).await;
    let harness = Harness::with(Options { dns_server: Some(server), ..Options::default() });
    harness.apply(&[dns_job(DnsRecordType::A, "svc.test")]);
    eventually("targets", || found(&harness, "job").len() == 2).await;
    let mut registry = prometheus_client::registry::Registry::default();
    harness.manager.register(&mut registry);
    eventually("failures", || {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let line = text.lines().find(|l| l.starts_with("prometheus_sd_dns_lookup_failures_total ")).unwrap();
        line.ends_with(" 2") || line.ends_with(" 3")
    })
    .await;
    assert_eq!(found(&harness, "job").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_does_not_exist_has_no_targets() {
    let server = dns_stub(usize::MAX).await;
    let harness = Harness::with(Options { dns_server: Some(server), ..Options::default() });
    let mut config = dns_job(DnsRecordType::A, "nothing.test");
    config.discovery.dns_sd_configs[0].names.push("svc.test".into());
    harness.apply(&[config]);
    eventually("the other name", || found(&harness, "__meta_dns_name").len() == 2).await;
    assert!(found(&harness, "__meta_dns_name").iter().all(|t| t.ends_with("svc.test")));
}
