//! Live tails over a real connection.

use std::time::Duration;

use api::bind;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::store::{LokiApp, query_string};

const NOW: i64 = 1_700_000_600;

/// As much of a WebSocket client as a test needs.
struct Socket(TcpStream);

impl Socket {
    /// Asks for the upgrade; an error is the answer's head.
    async fn open(address: std::net::SocketAddr, path: &str, headers: &str) -> Result<Socket, String> {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.map_err(|e| format!("{e}: {}", String::from_utf8_lossy(&head)))?);
        }
        let head = String::from_utf8(head).unwrap();
        if head.starts_with("HTTP/1.1 101") { Ok(Socket(stream)) } else { Err(head) }
    }

    /// The next text; pings are passed over.
    async fn text(&mut self) -> Value {
        let next = async {
            loop {
                let kind = self.0.read_u8().await.unwrap() & 0x0f;
                let length = match self.0.read_u8().await.unwrap() {
                    126 => u64::from(self.0.read_u16().await.unwrap()),
                    127 => self.0.read_u64().await.unwrap(),
                    length => u64::from(length),
                };
                let mut payload = vec![0; length as usize];
                self.0.read_exact(&mut payload).await.unwrap();
                if kind == 1 {
                    return serde_json::from_slice(&payload).unwrap();
                }
                assert_eq!(kind, 9, "{payload:?}");
            }
        };
        tokio::time::timeout(Duration::from_secs(20), next).await.expect("a message in time")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_come_as_they_are_stored() {
    let app = LokiApp::new(
        "limits_config: {discover_service_name: [], discover_log_levels: false, max_concurrent_tail_requests: 1}",
        NOW,
    );
    let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(api::serve(vec![(listener, app.router())], stop.clone(), Duration::from_millis(100)));
    let push = |seconds: i64, line: &str| {
        let values = json!([[(seconds * 1_000_000_000).to_string(), line, {"trace_id": "7"}]]);
        let body = json!({"streams": [{"stream": {"app": "a"}, "values": values}, {"stream": {"app": "b"}, "values": values}]});
        let app = &app;
        async move { assert_eq!(app.json("/loki/api/v1/push", &body).await.status, 204) }
    };
    push(NOW - 20, "before yes").await;
    let path = |query: &str| format!("/loki/api/v1/tail?{}", query_string(&json!({"query": query, "limit": 10})));
    for (query, status) in [("{", "400"), ("rate({app=\"a\"}[1m])", "400")] {
        let refused = Socket::open(address, &path(query), "").await.err().unwrap();
        assert!(refused.starts_with(&format!("HTTP/1.1 {status}")), "{refused}");
    }
    let mut tail =
        Socket::open(address, &path(r#"{app="a"} |= "yes" | line_format "<{{__line__}}>""#), "").await.unwrap();
    let first = tail.text().await;
    assert_eq!(
        first["streams"][0]["values"],
        json!([[((NOW - 20) * 1_000_000_000).to_string(), "<before yes>"]]),
        "{first}"
    );
    push(NOW - 10, "no").await;
    push(NOW - 5, "then yes").await;
    let next = tail.text().await;
    assert_eq!(
        next,
        json!({"streams": [{"stream": {"app": "a", "trace_id": "7"}, "values": [[((NOW - 5) * 1_000_000_000).to_string(), "<then yes>"]]}]})
    );
    let refused = Socket::open(address, &path(r#"{app="a"}"#), "").await.err().unwrap();
    assert!(refused.starts_with("HTTP/1.1 429"), "{refused}");
    drop(tail);
    // The place is free again once the server has noticed.
    let flags = "X-Loki-Response-Encoding-Flags: categorize-labels\r\n";
    let mut again = loop {
        match Socket::open(address, &path(r#"{app="b"} |= "then""#), flags).await {
            Ok(socket) => break socket,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let first = again.text().await;
    assert_eq!(first["encodingFlags"], json!(["categorize-labels"]));
    assert_eq!(first["streams"][0]["values"][0][2], json!({"structuredMetadata": {"trace_id": "7"}, "parsed": {}}));
    stop.cancel();
    drop(again);
    serving.await.unwrap();
}
