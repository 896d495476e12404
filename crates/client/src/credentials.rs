//! Headers that identify us: basic auth, authorization, configured headers. Files are read for each request, so that a
//! rotated secret takes effect by itself.

use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use config::HttpClientConfig;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use hyper_util::client::proxy::matcher::Matcher;
use url::Url;

/// What is added to every request.
#[derive(Clone)]
pub(super) struct Credentials {
    config: Arc<HttpClientConfig>,
    proxies: Option<Arc<Matcher>>,
    host: Option<HeaderValue>,
}

impl Credentials {
    pub(super) fn new(config: &HttpClientConfig) -> Self {
        let host = config.http_headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
        let host = host.and_then(|(_, values)| values.values.first()).and_then(|v| HeaderValue::from_str(v).ok());
        let proxies = super::connector::matcher(&config.proxy).map(Arc::new);
        Credentials { config: Arc::new(config.clone()), proxies, host }
    }

    /// A configured `Host` header.
    pub(super) fn host(&self) -> Option<&HeaderValue> {
        self.host.as_ref()
    }

    /// What a proxy wants to see on plain HTTP requests.
    pub(super) fn proxy_authorization(&self, uri: &http::Uri) -> Option<HeaderValue> {
        self.proxies.as_ref()?.intercept(uri)?.basic_auth().cloned()
    }

    /// Adds all headers. The error says which file cannot be read, never a secret.
    pub(super) async fn add_to(&self, headers: &mut HeaderMap) -> Result<(), String> {
        if let Some(basic) = &self.config.basic_auth {
            let username = text_or_file(&basic.username, basic.username_file.as_deref(), "username").await?;
            let password = text_or_file(basic.password.expose(), basic.password_file.as_deref(), "password").await?;
            headers.insert(AUTHORIZATION, basic_header(&username, &password)?);
        }
        if let Some(authorization) = &self.config.authorization {
            let file = authorization.credentials_file.as_deref();
            let credentials =
                text_or_file(authorization.credentials.expose(), file, "authorization credentials").await?;
            let text = format!("{} {credentials}", authorization.kind.trim());
            headers.insert(AUTHORIZATION, secret_header(&text, "authorization credentials")?);
        }
        for (name, values) in &self.config.http_headers {
            let header = HeaderName::try_from(name).map_err(|e| format!("http_headers {name:?}: {e}"))?;
            headers.remove(&header);
            let secrets = values.secrets.iter().map(|s| s.expose());
            for value in values.values.iter().map(String::as_str).chain(secrets) {
                headers.append(&header, secret_header(value, name)?);
            }
            for file in &values.files {
                let value = read_secret(file, name).await?;
                headers.append(&header, secret_header(&value, name)?);
            }
        }
        Ok(())
    }

    /// Removes configured headers with secrets, for a redirect to another host.
    pub(super) fn remove_secret_headers(&self, headers: &mut HeaderMap) {
        let secret = self.config.http_headers.iter().filter(|(_, v)| !v.secrets.is_empty() || !v.files.is_empty());
        for (name, _) in secret {
            headers.remove(name.as_str());
        }
    }
}

/// User name and password that stand in the URL itself, unless something else identifies us.
pub(super) fn add_user_info(url: &Url, headers: &mut HeaderMap) {
    let has_user = !url.username().is_empty() || url.password().is_some();
    if has_user
        && !headers.contains_key(AUTHORIZATION)
        && let Ok(header) = basic_header(url.username(), url.password().unwrap_or_default())
    {
        headers.insert(AUTHORIZATION, header);
    }
}

fn basic_header(username: &str, password: &str) -> Result<HeaderValue, String> {
    let encoded = BASE64_STANDARD.encode(format!("{username}:{password}"));
    secret_header(&format!("Basic {encoded}"), "basic_auth")
}

fn secret_header(value: &str, what: &str) -> Result<HeaderValue, String> {
    let mut header = HeaderValue::from_str(value).map_err(|_| format!("{what}: the value is no header text"))?;
    header.set_sensitive(true);
    Ok(header)
}

async fn text_or_file(text: &str, file: Option<&Path>, what: &str) -> Result<String, String> {
    match file {
        Some(file) => read_secret(file, what).await,
        None => Ok(text.to_owned()),
    }
}

async fn read_secret(file: &Path, what: &str) -> Result<String, String> {
    let text = tokio::fs::read_to_string(file).await;
    let text =
        text.map_err(|e| format!("unable to read {what} file {}: {}", file.display(), super::body::io_text(&e)))?;
    Ok(text.trim().to_owned())
}
