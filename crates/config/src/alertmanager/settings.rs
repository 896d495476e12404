//! The settings of one integration: values by key.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::http_client::TlsConfig;
use crate::scalar::{Millis, Secret};

/// A piece of YAML whose keys are the user's own. Scalars are texts, as they were written.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    /// Nothing.
    Null,
    /// A scalar.
    Text(String),
    /// A list.
    List(Vec<Tree>),
    /// A mapping, in the order of the file.
    Map(Vec<(String, Tree)>),
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    /// A text, most often a template.
    Text(String),
    /// A text that is never shown.
    Secret(Secret),
    /// A file with a secret, read when it is needed.
    File(PathBuf),
    /// On or off.
    Flag(bool),
    /// A whole number.
    Number(i64),
    /// A duration.
    Time(Millis),
    /// Texts.
    Texts(Vec<String>),
    /// Texts by the user's own keys.
    Map(BTreeMap<String, String>),
    /// Sections.
    List(Vec<Settings>),
    /// A section.
    Section(Settings),
    /// Anything.
    Tree(Tree),
    /// TLS.
    Tls(TlsConfig),
}

/// Values by key; only keys that are given, or have a default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings(BTreeMap<&'static str, Setting>);

impl Settings {
    pub(crate) fn set(&mut self, key: &'static str, value: Setting) {
        self.0.insert(key, value);
    }

    /// All that are given.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Setting)> {
        self.0.iter().map(|(key, value)| (*key, value))
    }

    /// True where the key has a value.
    pub fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Setting> {
        self.0.get(key)
    }

    /// A text; empty where it is not given.
    pub fn text(&self, key: &str) -> &str {
        match self.0.get(key) {
            Some(Setting::Text(text)) => text,
            Some(Setting::Secret(secret)) => secret.expose(),
            _ => "",
        }
    }

    /// A secret: the text itself.
    pub fn secret(&self, key: &str) -> &str {
        self.text(key)
    }

    /// A file.
    pub fn file(&self, key: &str) -> Option<&Path> {
        match self.0.get(key) {
            Some(Setting::File(path)) => Some(path),
            _ => None,
        }
    }

    /// On, off, or not given.
    pub fn flag(&self, key: &str) -> Option<bool> {
        match self.0.get(key) {
            Some(Setting::Flag(flag)) => Some(*flag),
            _ => None,
        }
    }

    /// A number.
    pub fn number(&self, key: &str) -> Option<i64> {
        match self.0.get(key) {
            Some(Setting::Number(number)) => Some(*number),
            _ => None,
        }
    }

    /// A duration; zero where it is not given.
    pub fn time(&self, key: &str) -> Millis {
        match self.0.get(key) {
            Some(Setting::Time(time)) => *time,
            _ => Millis(0),
        }
    }

    /// Texts; none where not given.
    pub fn texts(&self, key: &str) -> &[String] {
        match self.0.get(key) {
            Some(Setting::Texts(texts)) => texts,
            _ => &[],
        }
    }

    /// A mapping of texts.
    pub fn map(&self, key: &str) -> Option<&BTreeMap<String, String>> {
        match self.0.get(key) {
            Some(Setting::Map(map)) => Some(map),
            _ => None,
        }
    }

    /// Sections; none where not given.
    pub fn list(&self, key: &str) -> &[Settings] {
        match self.0.get(key) {
            Some(Setting::List(list)) => list,
            _ => &[],
        }
    }

    /// A section.
    pub fn section(&self, key: &str) -> Option<&Settings> {
        match self.0.get(key) {
            Some(Setting::Section(section)) => Some(section),
            _ => None,
        }
    }

    /// A tree.
    pub fn tree(&self, key: &str) -> Option<&Tree> {
        match self.0.get(key) {
            Some(Setting::Tree(tree)) => Some(tree),
            _ => None,
        }
    }

    /// TLS settings.
    pub fn tls(&self, key: &str) -> TlsConfig {
        match self.0.get(key) {
            Some(Setting::Tls(tls)) => tls.clone(),
            _ => TlsConfig::default(),
        }
    }
}
