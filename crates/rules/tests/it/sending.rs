//! Sending to Alertmanagers: a stand-in that keeps what it gets.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use config::{Environment, PrometheusConfig};
use model::{Labels, Timestamp};
use rules::{Alertmanagers, Notification, Notify};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

fn config(text: &str) -> PrometheusConfig {
    config::load_text(text, Path::new("p.yml"), &Environment::default()).unwrap().config
}

fn alert(name: &str) -> Notification {
    Notification {
        labels: Labels::from_pairs([("alertname", name), ("x", "y")]),
        annotations: Labels::from_pairs([("summary", "s")]),
        starts_at: Timestamp(1_700_000_000_123),
        ends_at: Timestamp(1_700_000_240_000),
        generator_url: "http://here/graph".to_owned(),
    }
}

/// Answers every request with a status and hands on its head and body.
async fn stand_in(status: &'static str) -> (std::net::SocketAddr, mpsc::UnboundedReceiver<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (send, receive) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let send = send.clone();
            tokio::spawn(async move {
                let mut got = Vec::new();
                let mut buffer = [0_u8; 65536];
                while let Ok(read) = stream.read(&mut buffer).await {
                    if read == 0 {
                        return;
                    }
                    got.extend_from_slice(&buffer[..read]);
                    let text = String::from_utf8_lossy(&got).into_owned();
                    let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                    let length = head.to_lowercase();
                    let length = length.split("content-length: ").nth(1).unwrap().lines().next().unwrap().trim();
                    if body.len() < length.parse::<usize>().unwrap() {
                        continue;
                    }
                    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    let _ = send.send((head.to_owned(), body.to_owned()));
                    got.clear();
                }
            });
        }
    });
    (address, receive)
}

async fn next(receive: &mut mpsc::UnboundedReceiver<(String, String)>) -> (String, serde_json::Value) {
    let (head, body) = tokio::time::timeout(Duration::from_secs(20), receive.recv()).await.unwrap().unwrap();
    (head, serde_json::from_str(&body).unwrap())
}

fn provide_tls() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

#[tokio::test]
async fn alerts_arrive_in_batches_with_external_labels() {
    provide_tls();
    let (address, mut receive) = stand_in("200 OK").await;
    let config = config(&format!(
        "global: {{external_labels: {{region: eu, x: z}}}}\nalerting:\n  alert_relabel_configs:\n  - {{source_labels: \
         [alertname], regex: Secret, action: drop}}\n  alertmanagers:\n  - path_prefix: /am/\n    static_configs: [{{targets: \
         ['{address}', '{address}', 'gone:1']}}]\n    relabel_configs: [{{source_labels: [__address__], regex: 'gone:1', action: \
         drop}}]\n",
    ));
    let alertmanagers = Alertmanagers::new();
    alertmanagers.apply(&config).unwrap();
    let url = format!("http://{address}/am/api/v2/alerts");
    assert_eq!(alertmanagers.active(), [url]);
    assert_eq!(alertmanagers.dropped(), ["http://gone:1/am/api/v2/alerts"]);

    alertmanagers.notify(vec![alert("A"), alert("Secret")]);
    let (head, body) = next(&mut receive).await;
    assert!(head.starts_with("POST /am/api/v2/alerts HTTP/1.1"), "{head}");
    assert!(head.contains("application/json"), "{head}");
    assert_eq!(
        body,
        serde_json::json!([{
            "annotations": {"summary": "s"},
            "endsAt": "2023-11-14T22:17:20.000Z",
            "startsAt": "2023-11-14T22:13:20.123Z",
            "generatorURL": "http://here/graph",
            "labels": {"alertname": "A", "region": "eu", "x": "y"},
        }])
    );

    // A reload keeps the queue; what waits at the end is sent.
    alertmanagers.apply(&config).unwrap();
    alertmanagers.notify((0..600).map(|i| alert(&format!("B{i}"))).collect());
    alertmanagers.close().await;
    let mut sizes = Vec::new();
    while sizes.iter().sum::<usize>() < 600 {
        sizes.push(next(&mut receive).await.1.as_array().unwrap().len());
    }
    assert_eq!(sizes, [256, 256, 88]);
}

#[tokio::test]
async fn one_that_refuses_holds_nobody_up() {
    provide_tls();
    let (bad, mut refused) = stand_in("500 Internal Server Error").await;
    let (good, mut taken) = stand_in("200 OK").await;
    let config =
        config(&format!("alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{bad}', '{good}']}}]}}]}}"));
    let alertmanagers: Arc<Alertmanagers> = Alertmanagers::new();
    alertmanagers.apply(&config).unwrap();
    for name in ["A", "B"] {
        alertmanagers.notify(vec![alert(name)]);
        assert_eq!(next(&mut taken).await.1[0]["labels"]["alertname"], name);
        assert_eq!(next(&mut refused).await.1[0]["labels"]["alertname"], name);
    }
    alertmanagers.close().await;
}
