//! What each kind of integration must have, and what it takes from `global`.

use crate::alertmanager::{IntegrationConfig, IntegrationKind as Kind, Setting, Settings};
use crate::decode::Fields;

use super::tables::EMAIL_SUBJECT;

/// Fills in what `global` gives and reports what is missing or given twice.
pub(super) fn complete(f: &Fields<'_, '_>, config: &mut IntegrationConfig, global: &Settings) {
    match config.kind {
        Kind::Webhook => {
            exclusive(f, config, "url", "url_file");
            needs(f, config, &["url", "url_file"], "one of url or url_file must be configured");
        }
        Kind::Email => email(f, config, global),
        Kind::Pagerduty => {
            exclusive(f, config, "routing_key", "routing_key_file");
            exclusive(f, config, "service_key", "service_key_file");
            let keys = ["routing_key", "routing_key_file", "service_key", "service_key_file"];
            needs(f, config, &keys, "missing service or routing key in PagerDuty config");
            take(config, global, "url", "pagerduty_url");
        }
        Kind::Slack => slack(f, config, global),
        Kind::Opsgenie => {
            exclusive(f, config, "api_key", "api_key_file");
            either(config, global, ["api_key", "api_key_file"], ["opsgenie_api_key", "opsgenie_api_key_file"]);
            needs(f, config, &["api_key", "api_key_file"], "no global OpsGenie API Key set either inline or in a file");
            take(config, global, "api_url", "opsgenie_api_url");
            for responder in config.settings.list("responders") {
                if ["id", "name", "username"].iter().all(|key| !responder.has(key)) {
                    f.problem(
                        "responders",
                        "OpsGenieConfig responder has to have at least one of id, username or name specified",
                    );
                }
            }
        }
        Kind::Victorops => {
            exclusive(f, config, "api_key", "api_key_file");
            either(config, global, ["api_key", "api_key_file"], ["victorops_api_key", "victorops_api_key_file"]);
            needs(f, config, &["api_key", "api_key_file"], "no global VictorOps API Key set");
            needs(f, config, &["routing_key"], "missing Routing key in VictorOps config");
            take(config, global, "api_url", "victorops_api_url");
            let reserved = [
                "routing_key",
                "message_type",
                "state_message",
                "entity_display_name",
                "monitoring_tool",
                "entity_id",
                "entity_state",
            ];
            for name in config.settings.map("custom_fields").into_iter().flat_map(|map| map.keys()) {
                if reserved.contains(&name.as_str()) {
                    f.problem("custom_fields", format!("victorOps config contains custom field {name} which cannot be used as it conflicts with the fixed/static fields"));
                }
            }
        }
        Kind::Pushover => {
            exclusive(f, config, "user_key", "user_key_file");
            exclusive(f, config, "token", "token_file");
            exclusive(f, config, "html", "monospace");
            needs(f, config, &["user_key", "user_key_file"], "one of user_key or user_key_file must be configured");
            needs(f, config, &["token", "token_file"], "one of token or token_file must be configured");
        }
        Kind::Wechat => {
            either(config, global, ["api_secret", "api_secret_file"], ["wechat_api_secret", "wechat_api_secret_file"]);
            needs(
                f,
                config,
                &["api_secret", "api_secret_file"],
                "no global Wechat Api Secret set either inline or in a file",
            );
            take(config, global, "corp_id", "wechat_api_corp_id");
            needs(f, config, &["corp_id"], "no global Wechat CorpID set");
            take(config, global, "api_url", "wechat_api_url");
            if !matches!(config.settings.text("message_type"), "text" | "markdown") {
                f.problem("message_type", "weChat message type must be text or markdown");
            }
        }
        Kind::Sns => {
            let given =
                ["topic_arn", "phone_number", "target_arn"].iter().filter(|key| config.settings.has(key)).count();
            if given != 1 {
                f.problem("", "must provide either a Target ARN, Topic ARN, or Phone Number for SNS config");
            }
        }
        Kind::Telegram => {
            exclusive(f, config, "bot_token", "bot_token_file");
            exclusive(f, config, "chat_id", "chat_id_file");
            either(config, global, ["bot_token", "bot_token_file"], ["telegram_bot_token", "telegram_bot_token_file"]);
            needs(
                f,
                config,
                &["bot_token", "bot_token_file"],
                "missing bot_token or bot_token_file on telegram_config",
            );
            needs(f, config, &["chat_id", "chat_id_file"], "missing chat_id or chat_id_file on telegram_config");
            take(config, global, "api_url", "telegram_api_url");
            if !matches!(config.settings.text("parse_mode"), "" | "Markdown" | "MarkdownV2" | "HTML") {
                f.problem(
                    "parse_mode",
                    "unknown parse_mode on telegram_config, must be Markdown, MarkdownV2, HTML or empty string",
                );
            }
        }
        Kind::Discord | Kind::Msteams | Kind::Msteamsv2 => {
            exclusive(f, config, "webhook_url", "webhook_url_file");
            needs(
                f,
                config,
                &["webhook_url", "webhook_url_file"],
                "one of webhook_url or webhook_url_file must be configured",
            );
        }
        Kind::Webex => {
            needs(f, config, &["room_id"], "missing room_id on webex_config");
            if config.http.authorization.is_none() {
                f.problem("http_config", "missing webex_configs.http_config.authorization");
            }
            take(config, global, "api_url", "webex_api_url");
        }
        Kind::Incidentio => {
            exclusive(f, config, "url", "url_file");
            exclusive(f, config, "alert_source_token", "alert_source_token_file");
            needs(f, config, &["url", "url_file"], "one of url or url_file must be configured");
            if config.http.authorization.is_none() {
                let keys = ["alert_source_token", "alert_source_token_file"];
                needs(
                    f,
                    config,
                    &keys,
                    "at least one of alert_source_token, alert_source_token_file or http_config.authorization must be configured",
                );
            }
        }
        Kind::Jira => {
            take(config, global, "api_url", "jira_api_url");
            needs(f, config, &["api_url"], "no global Jira Cloud URL set");
            needs(f, config, &["project"], "missing project in jira_config");
            needs(f, config, &["issue_type"], "missing issue_type in jira_config");
            if !matches!(config.settings.text("api_type"), "auto" | "cloud" | "datacenter") {
                f.problem("api_type", "unknown api_type on jira_config, must be cloud, datacenter or auto");
            }
        }
        Kind::Rocketchat => {
            exclusive(f, config, "token", "token_file");
            exclusive(f, config, "token_id", "token_id_file");
            either(config, global, ["token", "token_file"], ["rocketchat_token", "rocketchat_token_file"]);
            either(config, global, ["token_id", "token_id_file"], ["rocketchat_token_id", "rocketchat_token_id_file"]);
            needs(f, config, &["token", "token_file"], "no global Rocketchat Token set either inline or in a file");
            needs(
                f,
                config,
                &["token_id", "token_id_file"],
                "no global Rocketchat TokenID set either inline or in a file",
            );
            take(config, global, "api_url", "rocketchat_api_url");
        }
        Kind::Mattermost => {
            exclusive(f, config, "webhook_url", "webhook_url_file");
            let from = ["mattermost_webhook_url", "mattermost_webhook_url_file"];
            either(config, global, ["webhook_url", "webhook_url_file"], from);
            needs(
                f,
                config,
                &["webhook_url", "webhook_url_file"],
                "no global Mattermost Webhook URL set either inline or in a file",
            );
        }
    }
}

fn exclusive(f: &Fields<'_, '_>, config: &IntegrationConfig, one: &str, other: &str) {
    if config.settings.has(one) && config.settings.has(other) {
        f.problem(other, format!("at most one of {one} & {other} must be configured"));
    }
}

fn needs(f: &Fields<'_, '_>, config: &IntegrationConfig, any_of: &[&str], message: &str) {
    if f.is_mapping() && !any_of.iter().any(|key| config.settings.has(key)) {
        f.problem("", message);
    }
}

/// The value of `global` where the integration has none.
fn take(config: &mut IntegrationConfig, global: &Settings, key: &'static str, from: &str) {
    if !config.settings.has(key)
        && let Some(value) = global.get(from)
    {
        config.settings.set(key, value.clone());
    }
}

/// The same for a secret that stands inline or in a file.
fn either(config: &mut IntegrationConfig, global: &Settings, keys: [&'static str; 2], from: [&str; 2]) {
    if !keys.iter().any(|key| config.settings.has(key)) {
        take(config, global, keys[0], from[0]);
        take(config, global, keys[1], from[1]);
    }
}

fn slack(f: &Fields<'_, '_>, config: &mut IntegrationConfig, global: &Settings) {
    exclusive(f, config, "api_url", "api_url_file");
    exclusive(f, config, "app_token", "app_token_file");
    let keys = ["api_url", "api_url_file", "app_token", "app_token_file"];
    let has = |key: &str| config.settings.has(key);
    if (has("api_url") || has("api_url_file")) && (has("app_token") || has("app_token_file")) {
        f.problem("app_token", "cannot use app token and API URL at the same time");
    }
    if !keys.iter().any(|key| config.settings.has(key)) {
        either(config, global, ["app_token", "app_token_file"], ["slack_app_token", "slack_app_token_file"]);
        if !config.settings.has("app_token") && !config.settings.has("app_token_file") {
            either(config, global, ["api_url", "api_url_file"], ["slack_api_url", "slack_api_url_file"]);
        }
    }
    needs(f, config, &keys, "no Slack API URL nor App token set either inline or in a file");
    take(config, global, "app_url", "slack_app_url");
    let uses_token = config.settings.has("app_token") || config.settings.has("app_token_file");
    if config.settings.flag("update_message") == Some(true) && !uses_token {
        f.problem("update_message", "update_message needs an app token: incoming webhooks cannot change messages");
    }
    for action in config.settings.list("actions") {
        for key in ["type", "text"] {
            if !action.has(key) {
                f.problem("actions", format!("missing {key} in Slack action configuration"));
            }
        }
        if !action.has("url") && !action.has("name") {
            f.problem("actions", "missing name or url in Slack action configuration");
        }
    }
    for field in config.settings.list("fields") {
        for key in ["title", "value"] {
            if !field.has(key) {
                f.problem("fields", format!("missing {key} in Slack field configuration"));
            }
        }
    }
}

fn email(f: &Fields<'_, '_>, config: &mut IntegrationConfig, global: &Settings) {
    needs(f, config, &["to"], "missing to address in email config");
    for (key, from) in [
        ("smarthost", "smtp_smarthost"),
        ("from", "smtp_from"),
        ("hello", "smtp_hello"),
        ("auth_username", "smtp_auth_username"),
        ("auth_identity", "smtp_auth_identity"),
        ("require_tls", "smtp_require_tls"),
        ("force_implicit_tls", "smtp_force_implicit_tls"),
        ("tls_config", "smtp_tls_config"),
    ] {
        take(config, global, key, from);
    }
    exclusive(f, config, "auth_password", "auth_password_file");
    exclusive(f, config, "auth_secret", "auth_secret_file");
    let from = ["smtp_auth_password", "smtp_auth_password_file"];
    either(config, global, ["auth_password", "auth_password_file"], from);
    either(config, global, ["auth_secret", "auth_secret_file"], ["smtp_auth_secret", "smtp_auth_secret_file"]);
    needs(f, config, &["smarthost"], "no global SMTP smarthost set");
    needs(f, config, &["from"], "no global SMTP from set");
    let smarthost = config.settings.text("smarthost").to_owned();
    let has_port = smarthost.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if !smarthost.is_empty() && !has_port {
        f.problem("smarthost", format!("address {smarthost}: missing port in address"));
    }
    let mut headers = config.settings.map("headers").cloned().unwrap_or_default();
    let mut seen: Vec<String> = Vec::new();
    for name in headers.keys() {
        let plain = name.to_ascii_lowercase();
        if seen.contains(&plain) {
            f.problem("headers", format!("duplicate header {name:?} in email config"));
        }
        seen.push(plain);
    }
    if !seen.iter().any(|name| name == "subject") {
        headers.insert("Subject".to_owned(), EMAIL_SUBJECT.to_owned());
    }
    config.settings.set("headers", Setting::Map(headers));
}
