//! The protocols of receivers: each turns a message into requests and reads what became of them.

mod chat;
mod email;
mod http;
mod incident;
mod jira;
mod pagerduty;
mod slack;
mod smtp;
mod sns;
mod webhook;
mod wechat;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ::client::HttpClient;
use config::{IntegrationConfig, IntegrationKind};
use model::{Clock, Timestamp};

use crate::engine::Outcome;
use crate::message::Message;

pub(crate) use http::post_json;

/// How long an attempt may take where no `timeout` is set.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// One integration, ready to send.
pub struct Receiver {
    /// Its settings.
    pub(crate) config: IntegrationConfig,
    pub(crate) client: HttpClient,
    clock: Arc<dyn Clock>,
}

/// What a protocol answers: what to remember, or why not.
pub(crate) type Result = std::result::Result<BTreeMap<String, String>, Failure>;

/// Why something was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It may be tried again, not before so many milliseconds.
    Retry(Option<i64>, String),
    /// Trying again would not help.
    Final(String),
}

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Retry(after_ms, reason) => Outcome::Retry { after_ms, reason },
            Failure::Final(reason) => Outcome::Refused(reason),
        }
    }
}

/// A text cut to so many characters, the last of which then says so.
pub(crate) fn truncated(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// A template failed: that is final.
pub(crate) fn template(error: String) -> Failure {
    Failure::Final(error)
}

impl Receiver {
    /// Reads certificates and makes a client.
    pub fn new(config: &IntegrationConfig, clock: Arc<dyn Clock>) -> std::result::Result<Self, ::client::ClientError> {
        Ok(Receiver { client: HttpClient::new(&config.http)?, config: config.clone(), clock })
    }

    /// The present, for signatures.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Tries once.
    pub async fn send(&self, message: &Message<'_>) -> Outcome {
        let timeout = match self.config.settings.time("timeout") {
            none if none.is_zero() => DEFAULT_TIMEOUT,
            given => given.to_std(),
        };
        match tokio::time::timeout(timeout, self.dispatch(message)).await {
            Ok(Ok(data)) => Outcome::Delivered(data),
            Ok(Err(failure)) => failure.into(),
            Err(_) => Outcome::Retry { after_ms: None, reason: format!("no answer within {timeout:?}") },
        }
    }

    async fn dispatch(&self, message: &Message<'_>) -> Result {
        match self.config.kind {
            IntegrationKind::Webhook => webhook::send(self, message).await,
            IntegrationKind::Pagerduty => pagerduty::send(self, message).await,
            IntegrationKind::Slack => slack::send(self, message).await,
            IntegrationKind::Discord => chat::discord(self, message).await,
            IntegrationKind::Msteams => chat::teams(self, message).await,
            IntegrationKind::Msteamsv2 => chat::teams_flow(self, message).await,
            IntegrationKind::Webex => chat::webex(self, message).await,
            IntegrationKind::Telegram => chat::telegram(self, message).await,
            IntegrationKind::Rocketchat => chat::rocketchat(self, message).await,
            IntegrationKind::Mattermost => chat::mattermost(self, message).await,
            IntegrationKind::Opsgenie => incident::opsgenie(self, message).await,
            IntegrationKind::Victorops => incident::victorops(self, message).await,
            IntegrationKind::Incidentio => incident::incidentio(self, message).await,
            IntegrationKind::Pushover => incident::pushover(self, message).await,
            IntegrationKind::Email => email::send(self, message).await,
            IntegrationKind::Wechat => wechat::send(self, message).await,
            IntegrationKind::Sns => sns::send(self, message).await,
            IntegrationKind::Jira => jira::send(self, message).await,
        }
    }

    /// A secret that stands inline or in a file, which is read anew for every attempt; trimmed.
    pub(crate) async fn secret(&self, key: &str, file_key: &str) -> std::result::Result<String, Failure> {
        match self.config.settings.file(file_key) {
            Some(file) => read_secret(file).await,
            None => Ok(self.config.settings.secret(key).to_owned()),
        }
    }
}

pub(crate) async fn read_secret(file: &Path) -> std::result::Result<String, Failure> {
    match tokio::fs::read_to_string(file).await {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(error) => Err(Failure::Retry(None, format!("{}: {error}", file.display()))),
    }
}

/// Whether every text of an integration is a template.
pub(crate) fn check_templates(
    config: &IntegrationConfig,
    templates: &crate::templates::Templates,
) -> std::result::Result<(), String> {
    check_settings(&config.settings, "", templates)
}

fn check_settings(
    settings: &config::Settings,
    path: &str,
    templates: &crate::templates::Templates,
) -> std::result::Result<(), String> {
    use config::{Setting, Tree};
    fn tree(node: &Tree, check: &dyn Fn(&str) -> std::result::Result<(), String>) -> std::result::Result<(), String> {
        match node {
            Tree::Null => Ok(()),
            Tree::Text(text) => check(text),
            Tree::List(items) => items.iter().try_for_each(|item| tree(item, check)),
            Tree::Map(entries) => entries.iter().try_for_each(|(_, item)| tree(item, check)),
        }
    }
    for (key, value) in settings.iter() {
        let path = format!("{path}{key}");
        let check = |text: &str| templates.check(text).map_err(|error| format!("{path}: {error}"));
        match value {
            Setting::Text(text) => check(text)?,
            Setting::Texts(texts) => texts.iter().try_for_each(|text| check(text))?,
            Setting::Map(map) => map.values().try_for_each(|text| check(text))?,
            Setting::Tree(node) => tree(node, &check)?,
            Setting::Section(section) => check_settings(section, &format!("{path}."), templates)?,
            Setting::List(sections) => {
                sections.iter().try_for_each(|section| check_settings(section, &format!("{path}[]."), templates))?;
            }
            _ => {}
        }
    }
    Ok(())
}
