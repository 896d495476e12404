//! Where targets come from.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use crate::http_client::HttpClientConfig;
use crate::scalar::{Millis, Url};

/// All sources of targets that one scrape job or Alertmanager entry lists.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DiscoveryConfigs {
    /// Targets written in the file itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub static_configs: Vec<StaticConfig>,
    /// Targets from files, watched.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub file_sd_configs: Vec<FileSdConfig>,
    /// Targets from a URL, polled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub http_sd_configs: Vec<HttpSdConfig>,
    /// Targets from DNS, polled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns_sd_configs: Vec<DnsSdConfig>,
}

/// Targets with the labels that they share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StaticConfig {
    /// Addresses, `host:port`.
    pub targets: Vec<String>,
    /// Labels of all of them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// Targets in JSON or YAML files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileSdConfig {
    /// Paths ending in `.json`, `.yml` or `.yaml`; the last part may hold one `*`. Absolute or relative to the working
    /// directory (a path relative to the configuration file is resolved when that is loaded).
    pub files: Vec<PathBuf>,
    /// How often files are read again even if no change was noticed. Default 5 m.
    pub refresh_interval: Millis,
}

impl Default for FileSdConfig {
    fn default() -> Self {
        FileSdConfig { files: Vec::new(), refresh_interval: Millis::from_secs(300) }
    }
}

/// Targets from a URL that answers with JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HttpSdConfig {
    /// `http` or `https` with a host.
    pub url: Url,
    /// How often it is asked. Default 1 m.
    pub refresh_interval: Millis,
    /// How it is asked.
    #[serde(flatten)]
    pub http: HttpClientConfig,
}

/// The kind of DNS record asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum DnsRecordType {
    /// Name and port. The default.
    #[default]
    Srv,
    /// IPv4 address.
    A,
    /// IPv6 address.
    Aaaa,
    /// Mail exchange.
    Mx,
    /// Name server.
    Ns,
}

/// Targets from DNS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DnsSdConfig {
    /// Names asked for.
    pub names: Vec<String>,
    /// How often. Default 30 s.
    pub refresh_interval: Millis,
    /// Kind of record.
    #[serde(rename = "type")]
    pub record_type: DnsRecordType,
    /// Port of the targets; not used for SRV records, required for the others.
    pub port: u16,
}

impl Default for DnsSdConfig {
    fn default() -> Self {
        DnsSdConfig {
            names: Vec::new(),
            refresh_interval: Millis::from_secs(30),
            record_type: DnsRecordType::Srv,
            port: 0,
        }
    }
}
