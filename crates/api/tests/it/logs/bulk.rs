//! Elasticsearch's `_bulk` and lines of JSON.

use serde_json::json;

use super::{NOW, Receiver};

const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");

#[tokio::test]
async fn documents_are_stored_as_they_came() {
    let receiver = Receiver::plain();
    let body = "{\"create\":{\"_index\":\"logs\"}}\n{\"@timestamp\":\"2023-11-14T22:23:20Z\",  \"message\":\"hi\",\"service\":{\"name\":\"s\"}}\n\
                {\"index\":{}}\n{\"no time\":1}\n\
                {\"update\":{\"_id\":\"1\"}}\n{\"doc\":{}}\n\
                {\"delete\":{\"_id\":\"1\"}}\n\
                {\"create\":{}}\nnot json\n\
                {\"create\":{}}\n{\"@timestamp\":\"never\"}\n\
                {\"create\":{}}\n{\"@timestamp\":1999999999}\n";
    let answer = receiver.post("/main/_bulk", &[NDJSON], body).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-elastic-product")), (200, Some("Elasticsearch")));
    let answer = answer.json();
    assert_eq!(answer["errors"], true);
    let items = answer["items"].as_array().unwrap();
    let statuses: Vec<String> = items
        .iter()
        .map(|item| {
            let (action, item) = item.as_object().unwrap().iter().next().unwrap();
            format!("{action} {} {}", item["_index"].as_str().unwrap(), item["status"])
        })
        .collect();
    assert_eq!(
        statuses,
        [
            "create logs 201",
            "index main 201",
            "update main 400",
            "delete main 400",
            "create main 400",
            "create main 400",
            "create main 400"
        ]
    );
    assert_eq!(
        items[5]["create"]["error"]["reason"],
        "line 11: @timestamp: \"never\" is not a time: expected RFC 3339 or a Unix time"
    );
    assert!(items[6]["create"]["error"]["reason"].as_str().unwrap().contains("has timestamp too new"));
    assert_eq!(
        receiver.stored(),
        [
            format!(
                "{{index=\"logs\", job=\"elasticsearch\", service_name=\"s\"}} {NOW} {{\"@timestamp\":\"2023-11-14T22:23:20Z\",  \"message\":\"hi\",\"service\":{{\"name\":\"s\"}}}}"
            ),
            format!("{{index=\"main\", job=\"elasticsearch\"}} {NOW} {{\"no time\":1}}"),
        ]
    );
    let answer = receiver.post("/_bulk", &[NDJSON], "{\"create\":{\"_index\":\"x\"}}\n{\"a\":1}\nhello\n").await;
    assert_eq!(answer.status, 400);
    assert!(answer.json()["error"]["reason"].as_str().unwrap().starts_with("Malformed action/metadata line [3]"));
    assert_eq!(receiver.stored().len(), 3);
}

#[tokio::test]
async fn what_senders_ask_first() {
    let receiver = Receiver::plain();
    for path in [
        "/_license",
        "/_xpack",
        "/_cluster/health",
        "/_ilm/policy/filebeat",
        "/_index_template/f",
        "/insert/elasticsearch",
        "/insert/elasticsearch/_license",
    ] {
        let answer = receiver.app.get(path).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("x-elastic-product")),
            (200, Some("Elasticsearch")),
            "{path}"
        );
    }
    let request = crate::support::request("GET", "/").header("accept", "application/json");
    let about = receiver.app.send(request.body(axum::body::Body::empty()).unwrap()).await;
    assert_eq!(about.json()["version"]["number"], "8.19.0");
    let request = crate::support::request("GET", "/").header("accept", "text/html,application/json");
    let page = receiver.app.send(request.body(axum::body::Body::empty()).unwrap()).await;
    assert!(page.header("x-elastic-product").is_none());
}

#[tokio::test]
async fn lines_of_json() {
    let receiver = Receiver::plain();
    let body = "{\"timestamp\":\"2023-11-14T22:23:20.5Z\",\"level\":\"INFO\",\"service_name\":\"a\",\"message\":\"m\"}\r\n\n[1]\n{\"t\":1700000600,\"host\":\"h\",\"msg\":\"x\"}";
    let answer = receiver.post("/insert/jsonline", &[], body).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().starts_with("line 3: "), "{}", answer.text());
    let line = "{\"timestamp\":\"2023-11-14T22:23:20.5Z\",\"level\":\"INFO\",\"service_name\":\"a\",\"message\":\"m\"}";
    assert_eq!(
        receiver.stored(),
        [
            format!("{{job=\"jsonline\", service_name=\"a\"}} {} {line}", NOW + 500_000_000),
            format!("{{job=\"jsonline\"}} {NOW} {{\"t\":1700000600,\"host\":\"h\",\"msg\":\"x\"}}"),
        ]
    );
    let receiver = Receiver::plain();
    let path = "/insert/jsonline?_time_field=t&_stream_fields=host,n.m&_msg_field=msg&extra_fields=env%3Dx";
    let body = json!({"t": 1_700_000_600, "host": "h", "n": {"m": 5}, "msg": "x \"y\""}).to_string();
    let answer = receiver.post(path, &[], body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(receiver.stored(), [format!("{{env=\"x\", host=\"h\", job=\"jsonline\", n_m=\"5\"}} {NOW} x \"y\"")]);
}
