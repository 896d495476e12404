//! Loki's push, in all of its forms, and the answers that a real Loki gave.

use std::io::Write;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::{NOW, Receiver};

const PUSH: &str = "/loki/api/v1/push";

/// Time, line and structured metadata.
type Entry<'a> = (i64, &'a [u8], &'a [(&'a str, &'a str)]);

/// A message as Loki's own senders write it.
pub(super) fn message(streams: &[(&str, &[Entry<'_>])]) -> Vec<u8> {
    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2];
        varint(content.len() as u64, &mut out);
        out.extend_from_slice(content);
        out
    }
    fn varint(mut value: u64, out: &mut Vec<u8>) {
        while value >= 0x80 {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
    }
    let mut message = Vec::new();
    for (labels, entries) in streams {
        let mut stream = field(1, labels.as_bytes());
        for (time, line, metadata) in *entries {
            let mut at = vec![1 << 3];
            varint(time.div_euclid(1_000_000_000) as u64, &mut at);
            at.push(2 << 3);
            varint(time.rem_euclid(1_000_000_000) as u64, &mut at);
            let mut entry = field(1, &at);
            entry.extend(field(2, line));
            for (name, value) in *metadata {
                entry.extend(field(3, &[field(1, name.as_bytes()), field(2, value.as_bytes())].concat()));
            }
            stream.extend(field(2, &entry));
        }
        // The hash of the labels, which nobody reads.
        stream.extend([3 << 3, 42]);
        message.extend(field(1, &stream));
    }
    message
}

pub(super) fn snappy(message: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(message).unwrap()
}

#[tokio::test]
async fn protocol_buffers() {
    let receiver = Receiver::plain();
    let body = message(&[
        (r#"{job="a", env="x"}"#, &[(NOW, b"one", &[("trace.id", "7")]), (NOW + 1, b"\xff\x00two", &[])]),
        (r#"{job="b"}"#, &[(NOW - 5, b"three", &[])]),
        (r#"{job="empty"}"#, &[]),
    ]);
    for headers in [&[][..], &[("content-type", "application/x-protobuf"), ("content-encoding", "snappy")][..]] {
        let answer = receiver.post(PUSH, headers, snappy(&body)).await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (204, ""));
    }
    assert_eq!(
        receiver.stored(),
        [
            format!(r#"{{env="x", job="a"}} {NOW} one trace_id=7"#),
            format!("{{env=\"x\", job=\"a\"}} {} \u{fffd}\u{0}two", NOW + 1),
            format!(r#"{{job="b"}} {} three"#, NOW - 5),
        ]
    );
    assert_eq!(receiver.sink.entries()[1].line, b"\xff\x00two");
}

#[tokio::test]
async fn packed_json() {
    let receiver = Receiver::plain();
    let body = json!({"streams": [{"stream": {"job": "p"}, "values": [[NOW.to_string(), "gz"]]}]}).to_string();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(body.as_bytes()).unwrap();
    let mut raw = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    raw.write_all(body.as_bytes()).unwrap();
    for (encoding, body) in [("gzip", gzip.finish().unwrap()), ("deflate", raw.finish().unwrap())] {
        let headers = [("content-type", "application/json; charset=utf-8"), ("content-encoding", encoding)];
        assert_eq!(receiver.post(PUSH, &headers, body.clone()).await.status, 204);
        let answer = receiver.post(PUSH, &headers, body[..body.len() - 9].to_vec()).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
    }
    let answer = receiver.post(PUSH, &[("content-encoding", "br")], body).await;
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (400, "Content-Encoding \"br\" not supported\n"));
    assert_eq!(receiver.stored().len(), 1);
}

/// What is right of a request is stored, and the answer says what was not.
#[tokio::test]
async fn the_valid_part_of_a_request() {
    let receiver = Receiver::plain();
    let time = NOW.to_string();
    let body = json!({"streams": [
        {"stream": {"bad-label": "x"}, "values": [[time, "lost"], [time, "lost too"]]},
        {"stream": {"job": "p", "none": ""}, "values": [[time, "one"], ["abc", "x"], [1, "x"], [time, "m", {"n": 1}], [time, "two", {"n": "1"}]]},
        {"stream": {"job": 5}, "values": [[time, "x"]]},
    ]});
    let answer = receiver.json(PUSH, &body).await;
    assert_eq!(answer.status, 400);
    let text = answer.text();
    assert!(text.starts_with("2 errors like: couldn't parse labels: 1:5: parse error"), "{text}");
    assert!(text.contains("3 errors like: the time \"abc\" is not a number of nanoseconds"), "{text}");
    assert_eq!(receiver.stored(), [format!(r#"{{job="p"}} {NOW} one"#), format!(r#"{{job="p"}} {NOW} two n=1"#)]);

    let body = message(&[("{", &[(NOW, b"x", &[])]), (r#"{job="q"}"#, &[(NOW, b"three", &[])])]);
    let answer = receiver.post(PUSH, &[], snappy(&body)).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().starts_with("couldn't parse labels: 1:"), "{}", answer.text());
    assert_eq!(receiver.stored().len(), 3);
    let counted = receiver.app.get("/metrics").await.text();
    for line in [
        r#"loki_discarded_samples_total{tenant="default",reason="invalid_labels"} 4"#,
        r#"loki_discarded_samples_total{tenant="default",reason="malformed_entry"} 3"#,
        r#"loki_distributor_lines_received_total{tenant="default"} 10"#,
        "afferent_log_entries_stored_total 3",
    ] {
        assert!(counted.contains(line), "{line}\n{counted}");
    }
}

#[tokio::test]
async fn half_a_message_stores_nothing() {
    let receiver = Receiver::plain();
    let body = message(&[(r#"{job="a"}"#, &[(NOW, b"one", &[]), (NOW + 1, b"two", &[])])]);
    for end in [1, body.len() / 2, body.len() - 3] {
        let answer = receiver.post(PUSH, &[], snappy(&body[..end])).await;
        assert_eq!(answer.status, 400);
        assert!(answer.text().starts_with("malformed PushRequest: "), "{}", answer.text());
    }
    let answer = receiver
        .post(PUSH, &[("content-type", "application/json")], r#"{"streams":[{"stream":{"a":"b"},"values":[["1"#)
        .await;
    assert_eq!(answer.status, 400);
    assert!(receiver.stored().is_empty());
}

#[tokio::test]
async fn tenants_as_auth_enabled_says() {
    let body = json!({"streams": [{"stream": {"a": "b"}, "values": [[NOW.to_string(), "x"]]}]}).to_string();
    let json = ("content-type", "application/json");
    let named = ("x-scope-orgid", "t1");
    for (yaml, tenant) in [("", "t1"), ("auth_enabled: false", "default"), ("auth_enabled: true", "t1")] {
        let receiver = Receiver::new(yaml);
        assert_eq!(receiver.post(PUSH, &[json, named], body.clone()).await.status, 204);
        assert_eq!(receiver.sink.entries()[0].tenant, tenant);
        let unnamed = receiver.post(PUSH, &[json], body.clone()).await;
        assert_eq!(unnamed.status.as_u16(), if yaml.ends_with("true") { 401 } else { 204 });
        let wrong = receiver.post(PUSH, &[json, ("x-scope-orgid", "a/b")], body.clone()).await;
        assert_eq!(wrong.status.as_u16(), if yaml.ends_with("false") { 204 } else { 400 });
    }
}

#[allow(clippy::print_stdout)] // the one line that says what is not tested
fn samples() -> Option<Vec<Value>> {
    let shared = std::env::var_os("AFFERENT_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let file = shared.join("conformance/logql/api_samples.json");
    let Ok(text) = std::fs::read_to_string(&file) else {
        println!("skipped: {} is missing", file.display());
        return None;
    };
    Some(serde_json::from_str(&text).unwrap())
}

/// Statuses of all pushes in the samples are Loki's, and so are the texts but for those of Loki's own JSON decoder.
#[tokio::test]
async fn answers_of_a_real_loki() {
    let Some(samples) = samples() else { return };
    let receiver = Receiver::new(
        "limits_config: {discover_service_name: [], discover_log_levels: false, reject_old_samples: false}",
    );
    let mut asked = 0;
    for sample in samples.iter().filter(|sample| sample["name"].as_str().unwrap().starts_with("push")) {
        let name = sample["name"].as_str().unwrap();
        // Bodies that were damaged or cut on their way into the file.
        let body = sample["req_body"].as_str().unwrap_or_default().to_owned();
        if name == "push_gzip" || body.len() == 1500 {
            continue;
        }
        asked += 1;
        let content_type = sample["req_headers"]["Content-Type"].as_str().unwrap();
        let answer = receiver.post(sample["path"].as_str().unwrap(), &[("content-type", content_type)], body).await;
        let (status, text) = (sample["status"].as_u64().unwrap(), sample["response"].as_str().unwrap());
        assert_eq!(u64::from(answer.status.as_u16()), status, "{name}: {}", answer.text());
        let has_own_text = text.starts_with("loghttp.");
        assert!(has_own_text || answer.text() == text, "{name}\n{}\n{text}", answer.text());
        assert_eq!(sample["content_type"].as_str(), answer.header("content-type"), "{name}");
    }
    assert!(asked > 15, "{asked}");
}
