//! The HTTP client keys, which other sections inline. Rules: `prometheus/common`, `HTTPClientConfig.Validate`.

use std::collections::BTreeMap;

use crate::decode::{Context, Fields};
use crate::http_client::{
    Authorization, BasicAuth, HeaderValues, HttpClientConfig, OAuth2, ProxyConfig, TlsConfig, TlsVersion,
};
use crate::scalar::Secret;
use crate::yaml::Node;

pub(super) const KEYS: &[&str] = &[
    "basic_auth",
    "authorization",
    "oauth2",
    "bearer_token",
    "bearer_token_file",
    "tls_config",
    "follow_redirects",
    "enable_http2",
    "http_headers",
];

pub(super) const PROXY_KEYS: &[&str] = &["proxy_url", "no_proxy", "proxy_from_environment", "proxy_connect_header"];

/// Headers that the client sets itself.
const RESERVED_HEADERS: [&str; 18] = [
    "authorization",
    "host",
    "content-encoding",
    "content-length",
    "content-type",
    "user-agent",
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "www-authenticate",
    "accept-encoding",
    "x-prometheus-remote-write-version",
    "x-prometheus-remote-read-version",
    "x-prometheus-scrape-timeout-seconds",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-content-sha256",
];

/// Reads the client's keys out of a section that inlines them.
pub(super) fn http_client(f: &Fields<'_, '_>, http2_by_default: bool) -> HttpClientConfig {
    at_most_one(f, &["basic_auth", "authorization", "oauth2", "bearer_token", "bearer_token_file"]);
    let bearer = Authorization {
        credentials: f.secret("bearer_token"),
        credentials_file: f.path("bearer_token_file"),
        ..Authorization::default()
    };
    let bearer = (!bearer.credentials.is_empty() || bearer.credentials_file.is_some()).then_some(bearer);
    HttpClientConfig {
        basic_auth: f.get("basic_auth").map(|node| basic_auth(f.context, node, f.key("basic_auth"))),
        authorization: f
            .get("authorization")
            .map(|node| authorization(f.context, node, f.key("authorization")))
            .or(bearer),
        oauth2: f.get("oauth2").map(|node| oauth2(f.context, node, f.key("oauth2"))),
        tls_config: tls_config(f, "tls_config"),
        follow_redirects: f.boolean("follow_redirects").unwrap_or(true),
        enable_http2: f.boolean("enable_http2").unwrap_or(http2_by_default),
        proxy: proxy(f),
        http_headers: http_headers(f),
    }
}

/// Reports keys of which only one may have a value.
fn at_most_one(f: &Fields<'_, '_>, keys: &[&str]) {
    let given: Vec<_> = keys.iter().filter(|key| f.get(key).is_some()).collect();
    if let [first, second, ..] = given[..] {
        f.problem(second, format!("at most one of {} may be given, and {first} already is", keys.join(", ")));
    }
}

fn basic_auth(context: &Context<'_>, node: &Node, path: String) -> BasicAuth {
    let f = Fields::open(context, node, path, &[&["username", "username_file", "password", "password_file"]]);
    at_most_one(&f, &["username", "username_file"]);
    at_most_one(&f, &["password", "password_file"]);
    BasicAuth {
        username: f.text_or_empty("username"),
        username_file: f.path("username_file"),
        password: f.secret("password"),
        password_file: f.path("password_file"),
    }
}

fn authorization(context: &Context<'_>, node: &Node, path: String) -> Authorization {
    let f = Fields::open(context, node, path, &[&["type", "credentials", "credentials_file"]]);
    at_most_one(&f, &["credentials", "credentials_file"]);
    let kind = f.text_or_empty("type").trim().to_owned();
    if kind.eq_ignore_ascii_case("basic") {
        f.problem("type", "authorization type cannot be basic; use basic_auth instead");
    }
    Authorization {
        kind: if kind.is_empty() { "Bearer".into() } else { kind },
        credentials: f.secret("credentials"),
        credentials_file: f.path("credentials_file"),
    }
}

fn oauth2(context: &Context<'_>, node: &Node, path: String) -> OAuth2 {
    // Prometheus knows the second group for the grant `jwt-bearer`, which is refused below.
    const OAUTH2: &[&str] = &[
        "client_id",
        "client_secret",
        "client_secret_file",
        "scopes",
        "token_url",
        "endpoint_params",
        "tls_config",
        "grant_type",
    ];
    const JWT: &[&str] = &[
        "client_certificate_key_id",
        "client_certificate_key",
        "client_certificate_key_file",
        "signature_algorithm",
        "iss",
        "audience",
        "claims",
    ];
    let f = Fields::open(context, node, path, &[OAUTH2, PROXY_KEYS, JWT]);
    at_most_one(&f, &["client_secret", "client_secret_file"]);
    let config = OAuth2 {
        client_id: f.text_or_empty("client_id"),
        client_secret: f.secret("client_secret"),
        client_secret_file: f.path("client_secret_file"),
        scopes: f.texts("scopes"),
        token_url: f.text_or_empty("token_url"),
        endpoint_params: f.text_map("endpoint_params"),
        tls_config: tls_config(&f, "tls_config"),
        proxy: proxy(&f),
    };
    if config.client_id.is_empty() {
        f.problem("client_id", "must be set");
    }
    if config.token_url.is_empty() {
        f.problem("token_url", "must be set");
    }
    let jwt = f.given().find(|(key, _)| JWT.contains(key)).map(|(key, _)| key);
    if let Some(key) = jwt {
        f.problem(key, "the grant jwt-bearer is not supported yet; use client_credentials with client_secret");
    }
    f.read("grant_type", "client_credentials", |grant| ["", "client_credentials"].contains(&grant).then_some(()));
    config
}

/// A section of TLS settings, `tls_config` as a rule.
pub(super) fn tls_config(outer: &Fields<'_, '_>, key: &str) -> TlsConfig {
    const VERSIONS: [(&str, TlsVersion); 4] = [
        ("TLS10", TlsVersion::Tls10),
        ("TLS11", TlsVersion::Tls11),
        ("TLS12", TlsVersion::Tls12),
        ("TLS13", TlsVersion::Tls13),
    ];
    const KEYS: &[&str] = &[
        "ca",
        "cert",
        "key",
        "ca_file",
        "cert_file",
        "key_file",
        "server_name",
        "insecure_skip_verify",
        "min_version",
        "max_version",
    ];
    let Some(node) = outer.get(key) else { return TlsConfig::default() };
    let f = Fields::open(outer.context, node, outer.key(key), &[KEYS]);
    for pair in [["ca", "ca_file"], ["cert", "cert_file"], ["key", "key_file"]] {
        at_most_one(&f, &pair);
    }
    let config = TlsConfig {
        ca: f.text_or_empty("ca"),
        cert: f.text_or_empty("cert"),
        key: f.secret("key"),
        ca_file: f.path("ca_file"),
        cert_file: f.path("cert_file"),
        key_file: f.path("key_file"),
        server_name: f.text_or_empty("server_name"),
        insecure_skip_verify: f.boolean("insecure_skip_verify").unwrap_or(false),
        min_version: f.choice("min_version", &VERSIONS),
        max_version: f.choice("max_version", &VERSIONS),
    };
    let has_cert = !config.cert.is_empty() || config.cert_file.is_some();
    let has_key = !config.key.is_empty() || config.key_file.is_some();
    if has_cert && !has_key {
        f.problem("", "a client certificate needs its key: set key or key_file");
    } else if has_key && !has_cert {
        f.problem("", "a client key needs its certificate: set cert or cert_file");
    }
    if let (Some(min), Some(max)) = (config.min_version, config.max_version)
        && min > max
    {
        f.problem("max_version", "is below min_version");
    }
    config
}

fn proxy(f: &Fields<'_, '_>) -> ProxyConfig {
    let headers = f.get("proxy_connect_header").into_iter().flat_map(|node| {
        let headers = f.context.map(node, &f.key("proxy_connect_header"));
        headers.map(|(path, entry)| {
            let values = f.context.texts(&entry.value, &path).into_iter().map(Secret::new).collect();
            (entry.key.clone(), values)
        })
    });
    // As in Prometheus, an empty text means no proxy.
    let has_url = f.get("proxy_url").is_some() && f.text("proxy_url").is_none_or(|url| !url.is_empty());
    let config = ProxyConfig {
        proxy_connect_header: headers.collect(),
        proxy_url: has_url.then(|| f.url("proxy_url", &["http", "https", "socks5", "socks5h"])).flatten(),
        no_proxy: f.text_or_empty("no_proxy"),
        proxy_from_environment: f.boolean("proxy_from_environment").unwrap_or(false),
    };
    if !config.proxy_connect_header.is_empty() && !config.proxy_from_environment && !has_url {
        f.problem("proxy_connect_header", "needs proxy_url or proxy_from_environment");
    }
    if config.proxy_from_environment && has_url {
        f.problem("proxy_url", "excludes proxy_from_environment");
    }
    if config.proxy_from_environment && !config.no_proxy.is_empty() {
        f.problem("no_proxy", "excludes proxy_from_environment");
    }
    if !config.proxy_from_environment && !has_url && !config.no_proxy.is_empty() {
        f.problem("no_proxy", "needs proxy_url");
    }
    config
}

fn http_headers(f: &Fields<'_, '_>) -> BTreeMap<String, HeaderValues> {
    let Some(node) = f.get("http_headers") else { return BTreeMap::new() };
    let headers = f.context.map(node, &f.key("http_headers")).map(|(path, entry)| {
        if RESERVED_HEADERS.contains(&entry.key.to_ascii_lowercase().as_str()) {
            f.context.problem(entry.key_at, &path, "this header is set by the client itself and cannot be changed");
        }
        let header = Fields::open(f.context, &entry.value, path, &[&["values", "secrets", "files"]]);
        let values = HeaderValues {
            values: header.texts("values"),
            secrets: header.texts("secrets").into_iter().map(Secret::new).collect(),
            files: header.texts("files").iter().map(|file| f.context.resolve(file)).collect(),
        };
        (entry.key.clone(), values)
    });
    headers.collect()
}

/// The key `headers` of a remote store: plain names and values.
pub(super) fn plain_headers(f: &Fields<'_, '_>) -> BTreeMap<String, String> {
    let headers = f.text_map("headers");
    for name in headers.keys() {
        let name = name.to_ascii_lowercase();
        if name == "authorization" {
            f.problem("headers", "the header authorization is set by basic_auth, authorization or oauth2");
        } else if RESERVED_HEADERS.contains(&name.as_str()) {
            f.problem("headers", format!("the header {name} is set by the client itself and cannot be changed"));
        }
    }
    headers
}
