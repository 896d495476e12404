//! Host names, origins, CORS, readiness, tenants.

use api::{DoorPolicy, Readiness};
use axum::body::Body;

use crate::support::{App, request};

async fn status_of(app: &App, method: &str, path: &str, headers: &[(&str, &str)]) -> u16 {
    let mut builder = http::Request::builder().method(method).uri(path);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    app.send(builder.body(Body::empty()).unwrap()).await.status.as_u16()
}

#[tokio::test]
async fn foreign_names_are_refused() {
    let app = App::with(|parts| parts.doors = DoorPolicy::new(vec!["monitor.example".into()], ".*").unwrap());
    for (host, expected) in [
        ("localhost:3000", 200),
        ("127.0.0.1", 200),
        ("[::1]:9090", 200),
        ("monitor.example", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example:3000", 421),
        ("192.168.1.2:3000", 421),
    ] {
        assert_eq!(status_of(&app, "GET", "/-/healthy", &[("host", host)]).await, expected, "{host}");
    }
    assert_eq!(status_of(&app, "GET", "/-/healthy", &[]).await, 200, "no browser leaves Host away");
}

#[tokio::test]
async fn other_sites_read_but_do_not_write() {
    let app = App::new();
    let local = ("host", "localhost:3000");
    for (method, path, headers, expected) in [
        ("POST", "/-/reload", vec![local], 200),
        ("POST", "/-/reload", vec![local, ("origin", "http://localhost:3000")], 200),
        ("POST", "/-/reload", vec![local, ("origin", "http://localhost:8080")], 403),
        ("PUT", "/-/reload", vec![local, ("origin", "https://evil.example")], 403),
        ("POST", "/-/reload", vec![local, ("origin", "null")], 403),
        ("POST", "/-/reload", vec![local, ("sec-fetch-site", "cross-site")], 403),
        ("POST", "/-/reload", vec![local, ("sec-fetch-site", "same-origin"), ("origin", "http://localhost:3000")], 200),
        ("POST", "/api/v1/query?query=1", vec![local, ("origin", "https://grafana.example")], 200),
        ("GET", "/api/v1/labels", vec![local, ("origin", "https://grafana.example")], 200),
    ] {
        assert_eq!(status_of(&app, method, path, &headers).await, expected, "{method} {path} {headers:?}");
    }
}

#[tokio::test]
async fn cors_follows_the_pattern() {
    let ask = async |app: &App, origin: &str| {
        let request = request("GET", "/api/v1/labels").header("origin", origin).body(Body::empty()).unwrap();
        let answer = app.send(request).await;
        assert!(answer.headers.get_all("vary").iter().any(|v| v.to_str().unwrap().contains("Origin")));
        answer.header("access-control-allow-origin").map(str::to_owned)
    };
    let open = App::new();
    assert_eq!(ask(&open, "https://a.example").await.as_deref(), Some("*"));
    let narrow = App::with(|parts| parts.doors = DoorPolicy::new(Vec::new(), r"https?://a\.example").unwrap());
    assert_eq!(ask(&narrow, "https://a.example").await.as_deref(), Some("https://a.example"));
    assert_eq!(ask(&narrow, "https://a.example.evil").await, None);
    let preflight =
        open.send(request("OPTIONS", "/api/v1/query").header("origin", "http://x").body(Body::empty()).unwrap()).await;
    assert_eq!(preflight.header("access-control-allow-methods"), Some("GET, POST, OPTIONS"));
}

#[tokio::test]
async fn nothing_is_answered_before_and_after() {
    let app = App::new();
    for (readiness, stopping) in [(Readiness::Starting, "false"), (Readiness::Stopping, "true")] {
        app.api.set_readiness(readiness);
        for path in ["/-/ready", "/api/v1/query?query=1"] {
            let answer = app.get(path).await;
            assert_eq!((answer.status.as_u16(), answer.text().as_str()), (503, "Service Unavailable"));
            assert_eq!(answer.header("x-prometheus-stopping"), Some(stopping));
        }
        assert_eq!(app.get("/-/healthy").await.status, 200);
        assert_eq!(app.get("/api/v1/status/walreplay").await.status, 200);
    }
    app.api.set_readiness(Readiness::Ready);
    assert_eq!(app.get("/-/ready").await.text(), "Afferent is Ready.\n");
}
