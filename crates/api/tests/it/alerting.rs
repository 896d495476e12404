//! What Alertmanager has not: explanations, safe silences, history, noise, what-if, outbox, routes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use alerting::{Alerting, AlertingOptions, Outcome, Prepared};
use axum::body::Body;
use config::{Environment, MatcherSyntax};
use model::{Clock, ManualClock, Timestamp};
use serde_json::{Value, json};

use crate::support::{Answer, App, request};

const START: i64 = 1_700_000_000_000;
const MINUTE: i64 = 60_000;

const CONFIG: &str = "
silences: {max_duration: 2d}
route:
  receiver: all
  group_by: [alertname]
  group_wait: 10s
  group_interval: 1m
  repeat_interval: 1h
  routes:
  - {receiver: pager, matchers: [severity=page], mute_time_intervals: [never]}
receivers:
- {name: all, webhook_configs: [{url: 'http://all.invalid/'}]}
- {name: pager, webhook_configs: [{url: 'http://pager.invalid/'}]}
time_intervals:
- {name: never, time_intervals: [{years: ['1971']}]}
";

struct Tried {
    app: App,
    alerting: Arc<Alerting>,
    clock: Arc<ManualClock>,
    _dir: tempfile::TempDir,
}

impl Tried {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp(START)));
        let shared: Arc<dyn Clock> = clock.clone();
        let syntax = MatcherSyntax::default();
        let file = config::load_alertmanager_text(CONFIG, Path::new("a.yml"), &Environment::default(), syntax);
        let prepared = Prepared::new(file.unwrap().config, syntax, &shared).unwrap();
        let options = AlertingOptions {
            dir: dir.path().join("alerting"),
            external_url: "http://localhost".to_owned(),
            syntax,
            seed: 1,
            start_delay_ms: 0,
        };
        let alerting = Alerting::open(options, prepared, shared).unwrap();
        let part = alerting.clone();
        let app = App::with(|parts| parts.alerting = Some(part));
        Tried { app, alerting, clock, _dir: dir }
    }

    async fn call(&self, method: &str, path: &str, body: Value) -> Answer {
        let path = format!("/api/{path}");
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        self.app.send(request(method, &path).header("content-type", "application/json").body(body).unwrap()).await
    }

    async fn own(&self, method: &str, path: &str, body: Value) -> Value {
        let answer = self.call(method, &format!("afferent/v1/alerting/{path}"), body).await;
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
        answer.json()["data"].clone()
    }

    async fn refused(&self, method: &str, path: &str, body: Value) -> String {
        let answer = self.call(method, &format!("afferent/v1/alerting/{path}"), body).await;
        assert!(answer.status.is_client_error(), "{method} {path}: {}", answer.text());
        answer.json()["error"].as_str().unwrap().to_owned()
    }

    async fn post(&self, name: &str, severity: &str, ends: bool) {
        let mut alert = json!({"labels": {"alertname": name, "severity": severity}});
        if ends {
            alert["endsAt"] = json!("2023-11-14T22:13:20Z");
            alert["startsAt"] = json!("2023-11-14T22:13:20Z");
        }
        let answer = self.call("POST", "v2/alerts", json!([alert])).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// Goes on by some time, second by second; receivers answer as `outcome` says.
    async fn go_on(&self, ms: i64, outcome: impl Fn(&str) -> Outcome) {
        for _ in 0..ms / 1000 {
            self.clock.advance_ms(1000);
            let step = self.alerting.change(|engine, now| {
                engine.tick(now);
                for delivery in engine.deliveries(now) {
                    engine.completed(delivery.item.id, outcome(&delivery.item.to.receiver), now);
                }
            });
            step.await.unwrap();
        }
    }
}

fn taken(_: &str) -> Outcome {
    Outcome::Delivered(BTreeMap::new())
}

#[tokio::test]
async fn explains_what_is_what_was_and_what_would_be() {
    let tried = Tried::new();
    let labels = "explain?labels=%7Balertname%3D%22A%22%2Cseverity%3D%22page%22%7D";
    let would = tried.own("GET", labels, Value::Null).await;
    assert_eq!(would["state"], "unknown");
    assert_eq!(would["groups"][0]["receiver"], "pager");
    assert_eq!(would["groups"][0]["exists"], false);
    assert_eq!(would["groups"][0]["route"][1], json!({"id": 1, "matchers": "{severity=\"page\"}"}));
    assert_eq!(would["groups"][0]["integrations"][0]["next"], "first notification");
    tried.post("A", "page", false).await;
    let id = would["fingerprint"].as_str().unwrap().to_owned();
    let by_id = format!("explain?fingerprint={id}");
    let waits = tried.own("GET", &by_id, Value::Null).await;
    assert_eq!((&waits["state"], &waits["groups"][0]["nextFlush"]), (&json!("firing"), &json!(START + 10_000)));
    tried.go_on(15_000, taken).await;
    let told = tried.own("GET", &by_id, Value::Null).await;
    let integration = &told["groups"][0]["integrations"][0];
    assert_eq!((&integration["toldFiring"], &integration["wouldTell"]), (&json!(true), &json!(false)));
    assert_eq!(integration["repeatAt"], json!(START + 10_000 + 60 * MINUTE));
    let kinds: Vec<&str> = told["events"].as_array().unwrap().iter().map(|e| e["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["sent", "queued", "firing"]);
    // An hour after its end it is forgotten, but for the history.
    tried.clock.advance_ms(120 * MINUTE);
    tried.go_on(2 * MINUTE, taken).await;
    tried.go_on(2 * MINUTE, taken).await;
    let past = tried.own("GET", &by_id, Value::Null).await;
    assert_eq!((&past["state"], &past["alert"]), (&json!("past"), &Value::Null));
    assert_eq!(past["labels"]["severity"], "page");
    assert!(tried.refused("GET", "explain?fingerprint=00000000000000ff", Value::Null).await.contains("no"));
    assert!(tried.refused("GET", "explain?labels=a!%3Db", Value::Null).await.contains("does not name one value"));
}

#[tokio::test]
async fn silences_are_safe() {
    let tried = Tried::new();
    tried.post("A", "page", false).await;
    tried.post("B", "info", false).await;
    let matchers = json!([{"name": "severity", "value": "p.*", "isRegex": true, "isEqual": true}]);
    let seen = tried.own("POST", "silences/preview", json!({"matchers": matchers})).await;
    assert_eq!((seen["now"].as_array().unwrap().len(), &seen["firing"]), (1, &json!(2)));
    assert_eq!(
        (&seen["now"][0]["labels"]["alertname"], &seen["now"][0]["receivers"]),
        (&json!("A"), &json!(["pager"]))
    );
    assert_eq!((&seen["past"][0]["times"], &seen["past"][0]["isNow"]), (&json!(1), &json!(true)));
    let all = json!([{"name": "severity", "value": ".*", "isRegex": true, "isEqual": true}]);
    let error = tried.refused("POST", "silences/preview", json!({"matchers": all})).await;
    assert!(error.contains("must not match the empty string"), "{error}");
    // 2023-11-14 22:13:20 UTC is a Tuesday.
    let mut silence = json!({
        "matchers": matchers, "createdBy": "ann", "remindMinutes": 15,
        "recurrence": {"weekdays": ["tuesday"], "start": "23:00", "end": "01:00", "timeZone": "Europe/Berlin"},
    });
    assert!(tried.refused("POST", "silences", silence.clone()).await.contains("`comment`"));
    silence["comment"] = json!("patch day");
    let id = tried.own("POST", "silences", silence.clone()).await["silenceID"].as_str().unwrap().to_owned();
    let list = tried.own("GET", "silences?state=active", Value::Null).await;
    assert_eq!((&list[0]["id"], &list[0]["matching"]), (&json!(id), &json!(1)));
    assert_eq!(list[0]["endsAt"], "2023-11-15T00:00:00.000Z");
    assert_eq!(list[0]["nextStartsAt"], "2023-11-21T22:00:00.000Z");
    assert_eq!((&list[0]["remindMinutes"], &list[0]["recurrence"]["until"]), (&json!(15), &Value::Null));
    // A client of Alertmanager edits it: it recurs as before.
    let edit = json!({
        "id": id, "matchers": matchers, "startsAt": list[0]["startsAt"], "endsAt": list[0]["endsAt"],
        "createdBy": "bob", "comment": "still patch day",
    });
    let edited = tried.call("POST", "v2/silences", edit).await;
    assert_eq!((edited.status.as_u16(), &edited.json()["silenceID"]), (200, &json!(id)), "{}", edited.text());
    tried.clock.advance_ms(92 * MINUTE);
    tried.go_on(2000, taken).await;
    let alerts = tried.call("GET", "v2/alerts?filter=alertname%3DSilenceExpiring", Value::Null).await.json();
    assert_eq!(alerts[0]["labels"]["silence"], json!(id));
    tried.clock.advance_ms(15 * MINUTE);
    tried.go_on(2000, taken).await;
    let next = tried.call("GET", &format!("v2/silence/{id}"), Value::Null).await.json();
    assert_eq!((&next["status"]["state"], &next["comment"]), (&json!("pending"), &json!("still patch day")));
    assert_eq!(next["startsAt"], "2023-11-21T22:00:00.000Z");
    let kinds = tried.own("GET", &format!("history?silence={id}"), Value::Null).await;
    let kinds: Vec<&str> = kinds["events"].as_array().unwrap().iter().map(|e| e["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["silence_recurred", "silence_expiring", "silence_updated", "silence_created"]);
    tried.own("DELETE", &format!("silences/{id}"), Value::Null).await;
    let list = tried.own("GET", "silences", Value::Null).await;
    assert_eq!((&list[0]["status"]["state"], &list[0]["recurrence"]), (&json!("expired"), &Value::Null));
    // The limit of the configuration holds for every door.
    assert_eq!(tried.own("GET", "silences/limits", Value::Null).await["maxDurationMs"], 2 * 24 * 60 * MINUTE);
    let long = json!({"matchers": matchers, "createdBy": "ann", "comment": "x", "startsAt": "2023-11-16T00:00:00Z", "endsAt": "2023-11-19T00:00:00Z"});
    assert!(tried.refused("POST", "silences", long.clone()).await.contains("2d"));
    assert_eq!(tried.call("POST", "v2/silences", long).await.status, 400);
}

#[tokio::test]
async fn history_noise_and_what_if() {
    let tried = Tried::new();
    for _ in 0..3 {
        tried.post("A", "page", false).await;
        tried.go_on(2 * MINUTE, taken).await;
        let now = tried.clock.now().ms();
        let labels = json!({"alertname": "A", "severity": "page"});
        let at = chrono::DateTime::from_timestamp_millis(now).unwrap().to_rfc3339();
        let ended = json!([{"labels": labels, "startsAt": at, "endsAt": at}]);
        assert_eq!(tried.call("POST", "v2/alerts", ended).await.status, 200);
        tried.go_on(3 * MINUTE, taken).await;
    }
    tried.post("B", "info", false).await;
    tried.go_on(MINUTE, taken).await;
    let (mut kinds, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("history?limit=2&receiver=pager&kind=sent&kind=queued&cursor={cursor}");
        let page = tried.own("GET", &path, Value::Null).await;
        kinds.extend(page["events"].as_array().unwrap().iter().map(|e| e["kind"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(kinds, ["sent", "queued"].repeat(6));
    let firing = tried.own("GET", "history?kind=firing&filter=severity%3D~%22p.%2B%22", Value::Null).await;
    assert_eq!(firing["events"].as_array().unwrap().len(), 3);
    assert!(tried.refused("GET", "history?kind=fired", Value::Null).await.contains("no kind"));
    let noise = tried.own("GET", "noise?days=1", Value::Null).await;
    let first = &noise["alerts"][0];
    assert_eq!((&first["alertname"], &first["firings"], &first["flapping"]), (&json!("A"), &json!(3), &json!(1)));
    assert_eq!((&first["neverActedOn"], &first["resolveP50Ms"]), (&json!(true), &json!(2 * MINUTE)));
    assert_eq!((&noise["firings"], &noise["receivers"][0]["notifications"]), (&json!(4), &json!(6)));
    // Without the pager, and slower than the alert comes and goes.
    let config = CONFIG.replace("- {receiver: pager,", "- {receiver: all, group_wait: '${WAIT}m', continue: false,");
    let error = tried.refused("POST", "whatif", json!({"config": config.replace("${WAIT}m", "soon")})).await;
    assert!(error.contains("a.yml:10") && error.contains("soon"), "{error}");
    let asked = json!({"config": config.replace("${WAIT}m", "3m"), "days": 1});
    let told = tried.own("POST", "whatif", asked).await;
    assert_eq!((&told["recorded"], &told["current"], &told["candidate"]), (&json!(7), &json!(7), &json!(1)), "{told}");
    assert_eq!(told["receivers"][1], json!({"receiver": "pager", "recorded": 6, "current": 6, "candidate": 0}));
    assert_eq!(told["changes"][0]["labels"]["alertname"], "A");
    assert_eq!(told["changes"][0]["current"], json!([{"receiver": "pager", "notifications": 6}]));
    assert_eq!(told["timeline"].as_array().unwrap().len(), 100);
    // What a variable holds is not shown, whatever it stands for.
    let hidden = tried
        .own(
            "POST",
            "routes/test",
            json!({"config": CONFIG.replace("http://all.invalid/", "${HOOK}"), "labels": {"severity": "page"}}),
        )
        .await;
    assert_eq!((&hidden["receivers"], &hidden["routes"][0]["path"]), (&json!(["pager"]), &json!([0, 1])));
}

#[tokio::test]
async fn outbox_and_routes() {
    let tried = Tried::new();
    tried.post("A", "page", false).await;
    tried.post("B", "info", false).await;
    let answer = |receiver: &str| match receiver {
        "pager" => Outcome::Refused("400: no".to_owned()),
        _ => Outcome::Retry { after_ms: Some(60_000), reason: "503".to_owned() },
    };
    tried.go_on(12_000, answer).await;
    let outbox = tried.own("GET", "outbox", Value::Null).await;
    let waits = &outbox["waiting"][0];
    assert_eq!(
        (&waits["receiver"], &waits["lastError"], &waits["attempts"]),
        (&json!("all"), &json!("503"), &json!(1))
    );
    assert_eq!((&waits["sample"][0]["labels"]["alertname"], &waits["inFlight"]), (&json!("B"), &json!(false)));
    let dead = &outbox["deadLetters"][0];
    assert_eq!(
        (&dead["refusal"], &dead["canResend"], &dead["kind"]),
        (&json!("400: no"), &json!(true), &json!("webhook"))
    );
    assert_eq!(outbox["integrations"][0]["failures"], 1);
    assert_eq!(outbox["integrations"][0]["notBefore"], json!(START + 70_000));
    let routes = tried.own("GET", "routes", Value::Null).await;
    assert_eq!((&routes[1]["alerts"], &routes[1]["integrations"]), (&json!(1), &json!(["pager/webhook[0]"])));
    tried.own("POST", &format!("outbox/{}/resend", dead["id"]), Value::Null).await;
    tried.go_on(1000, answer).await;
    let again = tried.own("GET", "outbox", Value::Null).await["deadLetters"][0].clone();
    assert_eq!(again["attempts"], 2);
    tried.own("DELETE", &format!("outbox/{}", again["id"]), Value::Null).await;
    tried.refused("DELETE", &format!("outbox/{}", again["id"]), Value::Null).await;
    assert_eq!(tried.own("GET", "outbox", Value::Null).await["deadLetters"], json!([]));
}
