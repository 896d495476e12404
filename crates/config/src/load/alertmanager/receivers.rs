//! The sections `global` and `receivers`: tables read, defaults of `global` filled in.

use crate::alertmanager::{IntegrationConfig, ReceiverConfig, Setting, Settings, Tree};
use crate::decode::{Context, Fields};
use crate::http_client::HttpClientConfig;
use crate::load::http_client::{self, http_client, tls_config};
use crate::scalar::{HIDDEN, Millis, Secret};
use crate::yaml::{Node, Value};

use super::integrations::complete;
use super::tables::{Form, GLOBAL, Key, TABLES, Table};
use super::unique;

/// What `global` gives.
pub(super) struct Global {
    pub(super) resolve_timeout: Millis,
    pub(super) http: HttpClientConfig,
    pub(super) settings: Settings,
}

/// The section `global`.
pub(super) fn global(outer: &Fields<'_, '_>) -> Global {
    let empty = Node { at: outer.at, value: Value::Null };
    let node = outer.get("global").unwrap_or(&empty);
    let more = ["resolve_timeout", "http_config"];
    let names: Vec<&str> = GLOBAL.iter().map(|(name, _)| *name).chain(more).collect();
    let f = Fields::open_table(outer.context, node, "global", &names);
    let settings = settings(&f, GLOBAL);
    for (one, other) in [
        ("slack_api_url", "slack_api_url_file"),
        ("slack_app_token", "slack_app_token_file"),
        ("opsgenie_api_key", "opsgenie_api_key_file"),
        ("victorops_api_key", "victorops_api_key_file"),
        ("smtp_auth_password", "smtp_auth_password_file"),
        ("telegram_bot_token", "telegram_bot_token_file"),
        ("rocketchat_token", "rocketchat_token_file"),
        ("rocketchat_token_id", "rocketchat_token_id_file"),
        ("wechat_api_secret", "wechat_api_secret_file"),
        ("mattermost_webhook_url", "mattermost_webhook_url_file"),
    ] {
        if settings.has(one) && settings.has(other) {
            f.problem(other, format!("at most one of {one} & {other} must be configured"));
        }
    }
    Global {
        resolve_timeout: f.duration("resolve_timeout").unwrap_or(Millis::from_secs(300)),
        http: http_section(&f).unwrap_or_default(),
        settings,
    }
}

/// The section `receivers`.
pub(super) fn receivers(outer: &Fields<'_, '_>, global: &Global) -> Vec<ReceiverConfig> {
    let mut names = Vec::new();
    let found = outer.sections("receivers", |context, node, path| {
        let kinds: Vec<&str> = ["name", "labels"].into_iter().chain(TABLES.iter().map(|table| table.key)).collect();
        let f = Fields::open_table(context, node, path, &kinds);
        let name = f.text_or_empty("name");
        if name.is_empty() && f.is_mapping() {
            f.problem("name", "missing name in receiver");
        }
        let mut integrations = Vec::new();
        for table in TABLES {
            let found =
                f.sections(table.key, |context, node, path| Some(integration(context, node, path, table, global)));
            integrations
                .extend(found.into_iter().enumerate().map(|(index, found)| IntegrationConfig { index, ..found }));
        }
        Some((f.place("name"), f.key("name"), ReceiverConfig { name, integrations }))
    });
    let mut out = Vec::new();
    for (at, path, receiver) in found {
        names.push((receiver.name.clone(), at, path));
        out.push(receiver);
    }
    unique(outer, "notification config name", &names);
    out
}

fn integration(context: &Context<'_>, node: &Node, path: String, table: &Table, global: &Global) -> IntegrationConfig {
    let more = ["send_resolved", "http_config"];
    let names: Vec<&str> = table.keys.iter().map(|(name, _)| *name).chain(more).collect();
    let f = Fields::open_table(context, node, path, &names);
    let mut config = IntegrationConfig {
        kind: table.kind,
        index: 0,
        send_resolved: f.boolean("send_resolved").unwrap_or(table.send_resolved),
        http: http_section(&f).unwrap_or_else(|| global.http.clone()),
        settings: settings(&f, table.keys),
    };
    complete(&f, &mut config, &global.settings);
    config
}

fn http_section(outer: &Fields<'_, '_>) -> Option<HttpClientConfig> {
    let node = outer.get("http_config")?;
    let f = Fields::open(outer.context, node, outer.key("http_config"), &[http_client::KEYS, http_client::PROXY_KEYS]);
    Some(http_client(&f, true))
}

fn settings(f: &Fields<'_, '_>, keys: &[Key]) -> Settings {
    let mut out = Settings::default();
    for (key, form) in keys {
        if let Some(value) = setting(f, key, form) {
            out.set(key, value);
        }
    }
    out
}

fn setting(f: &Fields<'_, '_>, key: &'static str, form: &Form) -> Option<Setting> {
    Some(match form {
        Form::Text(default) => {
            let text = f.text(key).unwrap_or_else(|| (*default).to_owned());
            if text.is_empty() {
                return None;
            }
            Setting::Text(text)
        }
        Form::Url => {
            let text = f.text(key).filter(|text| !text.is_empty())?;
            check_url(f, key, &text);
            Setting::Text(text)
        }
        Form::Secret => Setting::Secret(Some(f.secret(key)).filter(|secret| !secret.is_empty())?),
        Form::SecretUrl => {
            let text = f.text(key).filter(|text| !text.is_empty())?;
            check_url(f, key, &text);
            Setting::Secret(Secret::new(text))
        }
        Form::File => Setting::File(f.path(key)?),
        Form::Flag => Setting::Flag(f.boolean(key)?),
        Form::Number => Setting::Number(f.signed(key)?),
        Form::Time(default) => {
            let time = f.duration(key).unwrap_or(Millis::from_secs(*default));
            if time.is_zero() {
                return None;
            }
            Setting::Time(time)
        }
        Form::Texts => {
            f.get(key)?;
            Setting::Texts(f.texts(key))
        }
        Form::Map => {
            f.get(key)?;
            Setting::Map(f.text_map(key))
        }
        Form::List(keys) => {
            f.get(key)?;
            Setting::List(f.sections(key, |context, node, path| Some(section(context, node, path, keys))))
        }
        Form::Section(keys) => Setting::Section(section(f.context, f.get(key)?, f.key(key), keys)),
        Form::Tree => Setting::Tree(tree(f.context, f.get(key)?, &f.key(key))),
        Form::Tls => {
            f.get(key)?;
            Setting::Tls(tls_config(f, key))
        }
    })
}

fn section(context: &Context<'_>, node: &Node, path: String, keys: &[Key]) -> Settings {
    let names: Vec<&str> = keys.iter().map(|(name, _)| *name).collect();
    settings(&Fields::open_table(context, node, path, &names), keys)
}

/// A template cannot be checked before it is executed; `<secret>` stands in configurations that were printed.
fn check_url(f: &Fields<'_, '_>, key: &str, text: &str) {
    if !text.contains("{{") && text != HIDDEN {
        let _ = f.url(key, &["http", "https"]);
    }
}

fn tree(context: &Context<'_>, node: &Node, path: &str) -> Tree {
    match &node.value {
        Value::Null => Tree::Null,
        Value::Scalar(_) => context.text(node, path).map_or(Tree::Null, Tree::Text),
        Value::Sequence(items) => Tree::List(items.iter().map(|item| tree(context, item, path)).collect()),
        Value::Mapping(entries) => {
            let entry = |entry: &crate::yaml::Entry| {
                (entry.key.clone(), tree(context, &entry.value, &format!("{path}.{}", entry.key)))
            };
            Tree::Map(entries.iter().map(entry).collect())
        }
    }
}
