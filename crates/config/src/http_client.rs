//! How an HTTP client connects and identifies itself: the keys that Prometheus inlines into scrape jobs, discoveries,
//! Alertmanagers and remote stores.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use crate::scalar::{Secret, Url};
use crate::{is_default, is_false};

/// Settings of an HTTP client. At most one of `basic_auth`, `authorization` and `oauth2` is set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HttpClientConfig {
    /// User name and password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basic_auth: Option<BasicAuth>,
    /// The `Authorization` header; the deprecated `bearer_token` and `bearer_token_file` are turned into this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization: Option<Authorization>,
    /// Client credentials of OAuth 2.0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oauth2: Option<OAuth2>,
    /// Certificates and versions.
    #[serde(skip_serializing_if = "is_default")]
    pub tls_config: TlsConfig,
    /// Whether 3xx answers are followed. Default true.
    pub follow_redirects: bool,
    /// Whether HTTP/2 is offered. Default true, false for remote write.
    pub enable_http2: bool,
    /// Proxy.
    #[serde(flatten)]
    pub proxy: ProxyConfig,
    /// Further headers, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub http_headers: BTreeMap<String, HeaderValues>,
}

impl Default for HttpClientConfig {
    fn default() -> Self {
        HttpClientConfig {
            basic_auth: None,
            authorization: None,
            oauth2: None,
            tls_config: TlsConfig::default(),
            follow_redirects: true,
            enable_http2: true,
            proxy: ProxyConfig::default(),
            http_headers: BTreeMap::new(),
        }
    }
}

/// HTTP basic authentication. Files are read for each request, so a rotated password takes effect by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BasicAuth {
    /// User name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub username: String,
    /// File with the user name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username_file: Option<PathBuf>,
    /// Password.
    #[serde(skip_serializing_if = "Secret::is_empty")]
    pub password: Secret,
    /// File with the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
}

/// The `Authorization` header: a type and credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Authorization {
    /// `Bearer` where not set.
    #[serde(rename = "type")]
    pub kind: String,
    /// Credentials.
    #[serde(skip_serializing_if = "Secret::is_empty")]
    pub credentials: Secret,
    /// File with the credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials_file: Option<PathBuf>,
}

impl Default for Authorization {
    fn default() -> Self {
        Authorization { kind: "Bearer".into(), credentials: Secret::default(), credentials_file: None }
    }
}

/// OAuth 2.0 client credentials grant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OAuth2 {
    /// Client id.
    pub client_id: String,
    /// Client secret.
    #[serde(skip_serializing_if = "Secret::is_empty")]
    pub client_secret: Secret,
    /// File with the client secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret_file: Option<PathBuf>,
    /// Scopes asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// Where tokens come from.
    pub token_url: String,
    /// Further parameters of the token request.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub endpoint_params: BTreeMap<String, String>,
    /// TLS towards the token endpoint.
    #[serde(skip_serializing_if = "is_default")]
    pub tls_config: TlsConfig,
    /// Proxy towards the token endpoint.
    #[serde(flatten)]
    pub proxy: ProxyConfig,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum TlsVersion {
    /// 1.0
    #[serde(rename = "TLS10")]
    Tls10,
    /// 1.1
    #[serde(rename = "TLS11")]
    Tls11,
    /// 1.2
    #[serde(rename = "TLS12")]
    Tls12,
    /// 1.3
    #[serde(rename = "TLS13")]
    Tls13,
}

/// Certificates and versions of TLS. Text and file of one thing exclude each other; certificate and key come together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TlsConfig {
    /// Certificate authority, PEM text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ca: String,
    /// Client certificate, PEM text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cert: String,
    /// Client key, PEM text.
    #[serde(skip_serializing_if = "Secret::is_empty")]
    pub key: Secret,
    /// File with the certificate authority.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// File with the client certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert_file: Option<PathBuf>,
    /// File with the client key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// Name to check in the certificate instead of the host's.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub server_name: String,
    /// Accepts any certificate.
    pub insecure_skip_verify: bool,
    /// Lowest version accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_version: Option<TlsVersion>,
    /// Highest version accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_version: Option<TlsVersion>,
}

/// The way through a proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ProxyConfig {
    /// The proxy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_url: Option<Url>,
    /// Addresses reached without it: comma-separated IPs, CIDRs, domains.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub no_proxy: String,
    /// Takes `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` from the environment.
    #[serde(skip_serializing_if = "is_false")]
    pub proxy_from_environment: bool,
    /// Headers for the proxy's CONNECT.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub proxy_connect_header: BTreeMap<String, Vec<Secret>>,
}

/// Values of one header; all that are given are sent, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HeaderValues {
    /// Plain values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// Values never shown.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<Secret>,
    /// Files whose trimmed content is a value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<PathBuf>,
}
