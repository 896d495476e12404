//! The file as it may be shown: the same YAML with secrets hidden, so that `amtool` can read it again.

use std::fmt::Write;

use crate::scalar::HIDDEN;
use crate::yaml::{Node, Value};

/// Keys whose values are secrets, wherever they stand.
const SECRETS: [&str; 31] = [
    "smtp_auth_password",
    "smtp_auth_secret",
    "slack_api_url",
    "slack_app_token",
    "opsgenie_api_key",
    "wechat_api_secret",
    "victorops_api_key",
    "telegram_bot_token",
    "rocketchat_token",
    "rocketchat_token_id",
    "mattermost_webhook_url",
    "auth_password",
    "auth_secret",
    "api_key",
    "api_secret",
    "api_url_secret",
    "app_token",
    "bot_token",
    "credentials",
    "client_secret",
    "password",
    "bearer_token",
    "routing_key",
    "secret_key",
    "secrets",
    "service_key",
    "token",
    "token_id",
    "user_key",
    "webhook_url",
    "alert_source_token",
];

/// Writes the tree as YAML.
pub(super) fn shown(root: &Node) -> String {
    let mut out = String::new();
    write_node(&mut out, root, 0, false, "", "");
    if !out.ends_with('\n') {
        out.push('\n');
    }
    out.trim_start_matches(['\n', ' ']).to_owned()
}

/// `url` is a secret of webhooks, `api_url` one of Slack; elsewhere both are addresses.
fn is_secret(section: &str, key: &str) -> bool {
    match key {
        "url" => section == "webhook_configs",
        "api_url" => section == "slack_configs",
        // VictorOps' routing key is a name.
        "routing_key" => section == "pagerduty_configs",
        key => SECRETS.contains(&key),
    }
}

fn write_node(out: &mut String, node: &Node, indent: usize, secret: bool, section: &str, key: &str) {
    match &node.value {
        Value::Null => out.push_str(" null"),
        Value::Scalar(_) if secret => {
            let _ = write!(out, " {HIDDEN}");
        }
        Value::Scalar(text) => {
            out.push(' ');
            out.push_str(&scalar(text));
        }
        Value::Sequence(items) if items.is_empty() => out.push_str(" []"),
        Value::Mapping(entries) if entries.is_empty() => out.push_str(" {}"),
        Value::Sequence(items) => {
            for item in items {
                let _ = write!(out, "\n{:indent$}-", "");
                write_node(out, item, indent + 2, secret, if key.is_empty() { section } else { key }, "");
            }
        }
        Value::Mapping(entries) => {
            for entry in entries {
                // A section of ours, which tools of Alertmanager would refuse.
                if indent == 0 && entry.key == "silences" {
                    continue;
                }
                let _ = write!(out, "\n{:indent$}{}:", "", scalar(&entry.key));
                let hidden = secret || is_secret(section, &entry.key);
                let inner = if entry.key.ends_with("_configs") { entry.key.as_str() } else { section };
                write_node(out, &entry.value, indent + 2, hidden, inner, &entry.key);
            }
        }
    }
}

/// Numbers and booleans stay bare, so that they are read as such again; plain words too; all else is quoted.
fn scalar(text: &str) -> String {
    let number = !text.is_empty()
        && text.len() < 19
        && text.strip_prefix('-').unwrap_or(text).bytes().all(|b| b.is_ascii_digit());
    let word = text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
        && !matches!(text, "null" | "Null" | "NULL" | "nan" | "inf");
    if number || word {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn hides_secrets_and_can_be_read_again() {
        let text = "route:\n  receiver: a\nreceivers:\n- name: a\n  webhook_configs:\n  - url: http://u:p@x/hook\n    max_alerts: 3\n  slack_configs:\n  - api_url: https://hooks/T/B/x\n    title: 'x \"y\"'\n    actions:\n    - type: button\n      url: http://open\n";
        let root = crate::yaml::parse(text).unwrap().root.unwrap();
        let shown = super::shown(&root);
        assert!(!shown.contains("hook\"") && !shown.contains("https://hooks"), "{shown}");
        assert!(shown.contains("max_alerts: 3") && shown.contains("http://open"), "{shown}");
        let again = crate::yaml::parse(&shown).unwrap().root.unwrap();
        assert_eq!(super::shown(&again), shown);
    }
}
