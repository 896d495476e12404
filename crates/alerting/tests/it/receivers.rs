//! Receivers against stand-ins that look at what comes and answer as a script says.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use alerting::{Delivery, Message, Outcome, Receiver, Report, Templates};
use config::AlertingConfigFile;
use model::{Clock, ManualClock, Timestamp};
use serde_json::{Value, json};

use crate::standin::{Answer, StandIn};
use crate::world::{START, World, load};

fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::new(Timestamp(START)))
}

/// A notification of two alerts, the second of which has ended where `resolved`.
fn delivery(resolved: bool) -> Delivery {
    let mut world = World::new(
        "route: {receiver: 'team-x', group_by: [alertname], group_wait: 1s, group_interval: 5s, repeat_interval: 1h}\nreceivers: [{name: team-x, webhook_configs: [{url: http://x/}]}]\n",
    );
    let seen: std::rc::Rc<std::cell::RefCell<Vec<Delivery>>> = std::rc::Rc::default();
    let known = seen.clone();
    world.answers = Box::new(move |delivery, _| {
        known.borrow_mut().push(delivery.clone());
        Outcome::Delivered(BTreeMap::new())
    });
    let report = |host: &str, ends: Option<i64>| Report {
        labels: [("alertname", "Disk"), ("host", host), ("severity", "critical")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into(),
        annotations: [("summary".to_owned(), "disk \"full\"".to_owned())].into(),
        starts_at: Some(Timestamp(START)),
        ends_at: ends.map(|ms| Timestamp(START + ms)),
        generator_url: "http://prom/graph?g0.expr=up".to_owned(),
    };
    world.put(vec![report("a", None), report("b", None)]);
    world.until(2.0);
    if resolved {
        world.put(vec![report("a", Some(2_000)), report("b", Some(2_000))]);
        world.until(7.0);
    }
    seen.borrow().last().unwrap().clone()
}

fn receivers(text: &str) -> AlertingConfigFile {
    load(&format!("route: {{receiver: r}}\nreceivers:\n- name: r\n{text}"))
}

async fn send_with(text: &str, resolved: bool, data: BTreeMap<String, String>) -> Outcome {
    let file = receivers(text);
    let integration = &file.receivers[0].integrations[0];
    let receiver = Receiver::new(integration, clock()).unwrap();
    let templates = Templates::load(&[], clock()).unwrap();
    let delivery = delivery(resolved);
    let message = Message::new(&delivery.item, &data, &templates, "http://am");
    receiver.send(&message).await
}

pub(crate) async fn send(text: &str, resolved: bool) -> Outcome {
    send_with(text, resolved, BTreeMap::new()).await
}

fn always(status: u16, body: &'static str) -> StandIn {
    StandIn::start(Box::new(move |_| (status, Vec::new(), body.to_owned())))
}

fn body(stand_in: &StandIn, number: usize) -> Value {
    serde_json::from_str(&stand_in.seen()[number].body).unwrap()
}

fn delivered() -> Outcome {
    Outcome::Delivered(BTreeMap::new())
}

#[tokio::test]
async fn webhook_version_4() {
    let hook = always(200, "");
    assert_eq!(send(&format!("  webhook_configs: [{{url: '{}'}}]\n", hook.url("/x")), false).await, delivered());
    let got = body(&hook, 0);
    let alert = |host: &str, fingerprint: &Value| {
        json!({
            "status": "firing", "labels": {"alertname": "Disk", "host": host, "severity": "critical"},
            "annotations": {"summary": "disk \"full\""}, "startsAt": "2023-11-14T22:13:20Z",
            "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://prom/graph?g0.expr=up", "fingerprint": fingerprint,
        })
    };
    let expected = json!({
        "receiver": "team-x", "status": "firing",
        "alerts": [alert("a", &got["alerts"][0]["fingerprint"]), alert("b", &got["alerts"][1]["fingerprint"])],
        "notification_reason": "first notification", "groupLabels": {"alertname": "Disk"},
        "commonLabels": {"alertname": "Disk", "severity": "critical"}, "commonAnnotations": {"summary": "disk \"full\""},
        "routeLabels": {}, "externalURL": "http://am", "version": "4", "groupKey": "{}:{alertname=\"Disk\"}",
        "truncatedAlerts": 0,
    });
    assert_eq!(got, expected);
    let text = format!("  webhook_configs: [{{url: '{}', max_alerts: 1}}]\n", hook.url("/x"));
    assert_eq!(send(&text, true).await, delivered());
    let got = body(&hook, 1);
    assert_eq!(
        (&got["status"], &got["truncatedAlerts"], got["alerts"].as_array().unwrap().len()),
        (&json!("resolved"), &json!(1), 1)
    );
    assert_eq!(got["alerts"][0]["endsAt"], "2023-11-14T22:13:22Z");
}

#[tokio::test]
async fn what_statuses_mean() {
    for (status, header, expected) in
        [(500, None, Some(None)), (429, Some("7"), Some(Some(7000))), (404, None, None), (0, None, Some(None))]
    {
        let hook = StandIn::start(Box::new(move |_| -> Answer {
            let headers = header.map(|value| ("Retry-After".to_owned(), value.to_owned())).into_iter().collect();
            (status, headers, "no".to_owned())
        }));
        let outcome = send(&format!("  webhook_configs: [{{url: '{}'}}]\n", hook.url("/secret-path")), false).await;
        match (outcome, expected) {
            (Outcome::Retry { after_ms, reason }, Some(expected)) => {
                assert_eq!(after_ms, expected);
                assert!(!reason.contains("secret-path"), "{reason}");
            }
            (Outcome::Refused(reason), None) => assert!(reason.contains("404: no"), "{reason}"),
            other => panic!("{status}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn pagerduty_v2_and_v1() {
    let hook = always(202, r#"{"status":"success"}"#);
    let text = format!(
        "  pagerduty_configs: [{{routing_key: key, url: '{}', details: {{host: '{{{{ .CommonLabels.severity }}}}'}}, links: [{{href: 'http://x', text: t}}, {{href: '', text: none}}]}}]\n",
        hook.url("/v2/enqueue")
    );
    assert_eq!(send(&text, false).await, delivered());
    let got = body(&hook, 0);
    // Required by PagerDuty's schema of Events v2.
    for (key, value) in [("routing_key", "key"), ("event_action", "trigger"), ("client", "Alertmanager")] {
        assert_eq!(got[key], value, "{got}");
    }
    assert_eq!(got["dedup_key"].as_str().unwrap().len(), 64);
    assert_eq!(got["payload"]["summary"], "[FIRING:2] Disk (critical)");
    assert_eq!(got["payload"]["source"], "Alertmanager");
    assert_eq!(got["payload"]["severity"], "error");
    let details = &got["payload"]["custom_details"];
    assert_eq!(
        (&details["num_firing"], &details["num_resolved"], &details["host"]),
        (&json!(2), &json!(0), &json!("critical"))
    );
    assert_eq!(details["firing"].as_array().unwrap().len(), 2);
    assert_eq!(got["links"], json!([{"href": "http://x", "text": "t"}]));
    assert_eq!(send(&text, true).await, delivered());
    assert_eq!((&body(&hook, 1)["event_action"], &body(&hook, 1)["dedup_key"]), (&json!("resolve"), &got["dedup_key"]));
    let text = format!("  pagerduty_configs: [{{service_key: key, url: '{}'}}]\n", hook.url("/v1"));
    assert_eq!(send(&text, true).await, delivered());
    let got = body(&hook, 2);
    assert_eq!((&got["event_type"], &got["service_key"]), (&json!("resolve"), &json!("key")));
}

#[tokio::test]
async fn slack_webhook_and_token() {
    let hook = always(200, "ok");
    let text = format!(
        "  slack_configs: [{{api_url: '{}', channel: '#x', send_resolved: true, fields: [{{title: t, value: v}}]}}]\n",
        hook.url("/")
    );
    assert_eq!(send(&text, false).await, delivered());
    let got = body(&hook, 0);
    assert_eq!((&got["channel"], &got["username"]), (&json!("#x"), &json!("Alertmanager")));
    let attachment = &got["attachments"][0];
    assert_eq!((&attachment["title"], &attachment["color"]), (&json!("[FIRING:2] Disk (critical)"), &json!("danger")));
    assert_eq!(attachment["fields"], json!([{"title": "t", "value": "v", "short": false}]));
    assert_eq!(attachment["mrkdwn_in"], json!(["fallback", "pretext", "text"]));

    let refusing = always(200, "no_text");
    let text = format!("  slack_configs: [{{api_url: '{}', channel: '#x'}}]\n", refusing.url("/"));
    assert!(matches!(send(&text, false).await, Outcome::Refused(reason) if reason.contains("no_text")));

    let limited = always(200, r#"{"ok":false,"error":"ratelimited"}"#);
    let token = |stand_in: &StandIn| {
        format!(
            "  slack_configs: [{{app_token: xoxb, app_url: '{}', channel: '#x', update_message: true}}]\n",
            stand_in.url("/api/chat.postMessage")
        )
    };
    assert!(matches!(send(&token(&limited), false).await, Outcome::Retry { .. }));
    let api = always(200, r#"{"ok":true,"ts":"1.2","channel":"C1"}"#);
    let Outcome::Delivered(data) = send(&token(&api), false).await else { panic!() };
    assert_eq!(send_with(&token(&api), true, data.clone()).await, Outcome::Delivered(data));
    let (first, second) = (&api.seen()[0], &api.seen()[1]);
    assert!(first.headers.contains(&("authorization".to_owned(), "Bearer xoxb".to_owned())));
    assert_eq!((first.path.as_str(), second.path.as_str()), ("/api/chat.postMessage", "/api/chat.update"));
    assert_eq!((&body(&api, 1)["ts"], &body(&api, 1)["channel"]), (&json!("1.2"), &json!("C1")));
}

/// Every other kind once: the address, and what must stand in the body.
#[tokio::test]
async fn all_the_others() {
    let hook = always(200, "{}");
    let base = hook.url("");
    let cases = [
        (
            "opsgenie_configs",
            format!("api_key: k, api_url: '{base}/og', tags: 'a, b'"),
            "/og/v2/alerts",
            json!({"tags": ["a", "b"]}),
        ),
        (
            "victorops_configs",
            format!("api_key: k, api_url: '{base}/vo', routing_key: team"),
            "/vo/k/team",
            json!({"message_type": "CRITICAL"}),
        ),
        ("discord_configs", format!("webhook_url: '{base}/dc'"), "/dc", json!({"content": ""})),
        ("msteamsv2_configs", format!("webhook_url: '{base}/t2'"), "/t2", json!({"type": "message"})),
        (
            "telegram_configs",
            format!("bot_token: k, chat_id: 7, api_url: '{base}'"),
            "/botk/sendMessage",
            json!({"chat_id": 7, "parse_mode": "HTML"}),
        ),
        (
            "rocketchat_configs",
            format!("token: k, token_id: u, api_url: '{base}/rc', channel: '#x'"),
            "/rc/api/v1/chat.postMessage",
            json!({"channel": "#x"}),
        ),
        (
            "mattermost_configs",
            format!("webhook_url: '{base}/mm', channel: x"),
            "/mm",
            json!({"channel": "x", "username": "Alertmanager"}),
        ),
        (
            "webex_configs",
            format!("api_url: '{base}/wx', room_id: r, http_config: {{authorization: {{credentials: c}}}}"),
            "/wx",
            json!({"roomId": "r"}),
        ),
        ("incidentio_configs", format!("url: '{base}/io', alert_source_token: t"), "/io", json!({"version": "4"})),
    ];
    for (number, (key, settings, path, expected)) in cases.into_iter().enumerate() {
        assert_eq!(send(&format!("  {key}: [{{{settings}}}]\n"), false).await, delivered(), "{key}");
        assert_eq!(hook.seen()[number].path, path, "{key}");
        let got = body(&hook, number);
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(&got[name], value, "{key}: {got}");
        }
    }
    let sns = always(200, "");
    let text = format!(
        "  sns_configs: [{{api_url: '{}', topic_arn: 'arn:aws:sns:eu-west-1:1:t', sigv4: {{access_key: a, secret_key: s}}}}]\n",
        sns.url("/")
    );
    assert_eq!(send(&text, false).await, delivered());
    let request = &sns.seen()[0];
    assert!(request.body.starts_with("Action=Publish&Version=2010-03-31&TopicArn=arn%3Aaws"), "{}", request.body);
    assert!(
        request
            .headers
            .iter()
            .any(|(name, value)| name == "authorization" && value.contains("/eu-west-1/sns/aws4_request"))
    );
    let teams = always(200, "1");
    assert_eq!(send(&format!("  msteams_configs: [{{webhook_url: '{}'}}]\n", teams.url("/")), true).await, delivered());
    assert_eq!(body(&teams, 0)["themeColor"], "2DC72D");
}

/// A server of SMTP that takes one mail by CRAM-MD5 or PLAIN, and keeps the conversation.
fn smtp(refuse: bool) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let lines: Arc<Mutex<Vec<String>>> = Arc::default();
    let known = lines.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut writer = stream.try_clone().unwrap();
            let mut reader = BufReader::new(stream);
            let mut data = false;
            writer.write_all(b"220 hello\r\n").unwrap();
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|n| n > 0) {
                known.lock().unwrap().push(line.trim_end().to_owned());
                let verb = line.split_whitespace().next().unwrap_or("").to_uppercase();
                let answer = match verb.as_str() {
                    "." if data => {
                        data = false;
                        "250 taken\r\n"
                    }
                    _ if data => "",
                    "EHLO" => "250-me\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME\r\n",
                    "AUTH" => "235 ok\r\n",
                    "RCPT" if refuse => "550 no such user\r\n",
                    "DATA" => {
                        data = true;
                        "354 go\r\n"
                    }
                    "QUIT" => "221 bye\r\n",
                    _ => "250 ok\r\n",
                };
                if writer.write_all(answer.as_bytes()).is_err() {
                    break;
                }
                line.clear();
            }
        }
    });
    (port, lines)
}

#[tokio::test]
async fn mail() {
    let settings = |port: u16, more: &str| {
        format!(
            "  email_configs: [{{to: 'Ann <ann@x.org>, bob@y.org', from: am@z.org, smarthost: '127.0.0.1:{port}', hello: z.org, auth_username: u, auth_password: p, text: 'plain ü', headers: {{X-Team: t}}{more}}}]\n"
        )
    };
    let (port, lines) = smtp(false);
    assert_eq!(send(&settings(port, ", require_tls: false"), false).await, delivered());
    let text = lines.lock().unwrap().join("\n");
    for expected in [
        "EHLO z.org",
        "AUTH PLAIN AHUAcA==",
        "MAIL FROM:<am@z.org>",
        "RCPT TO:<ann@x.org>",
        "RCPT TO:<bob@y.org>",
        "Subject: [FIRING:2] Disk (critical)",
        "To: Ann <ann@x.org>, bob@y.org",
        "X-Team: t",
        "plain =C3=BC",
        "Content-Type: text/html; charset=UTF-8",
        "Date: Tue, 14 Nov 2023 22:13:21 +0000",
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
    let (port, _) = smtp(true);
    assert!(
        matches!(send(&settings(port, ", require_tls: false"), false).await, Outcome::Refused(reason) if reason.contains("550"))
    );
    assert!(
        matches!(send(&settings(port, ""), false).await, Outcome::Retry { reason, .. } if reason.contains("STARTTLS"))
    );
}
