//! Asks a running server over HTTP.

use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

use crate::cli::ServerArgs;

/// Longer than any query may take.
const TIMEOUT: Duration = Duration::from_secs(300);

/// A server to ask.
pub(crate) struct Client {
    http: reqwest::Client,
    base: reqwest::Url,
}

impl Client {
    pub(crate) fn new(args: &ServerArgs) -> anyhow::Result<Client> {
        let with_scheme =
            if args.server.contains("://") { args.server.clone() } else { format!("http://{}", args.server) };
        let base = reqwest::Url::parse(&with_scheme).with_context(|| format!("{:?} is not a URL", args.server))?;
        let mut builder = reqwest::Client::builder().timeout(TIMEOUT).connect_timeout(Duration::from_secs(10));
        if matches!(base.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")) {
            builder = builder.no_proxy();
        }
        Ok(Client { http: builder.build()?, base })
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base.as_str().trim_end_matches('/'))
    }

    /// The status and text of any path.
    pub(crate) async fn text(&self, path: &str) -> anyhow::Result<(u16, String)> {
        let response = self.http.get(self.url(path)).send().await;
        let response = response.with_context(|| format!("cannot reach a server at {}", self.base))?;
        Ok((response.status().as_u16(), response.text().await?))
    }

    /// The whole JSON answer of an API path. An error answer becomes an error.
    pub(crate) async fn api(&self, path: &str, form: &[(&str, &str)]) -> anyhow::Result<Value> {
        let request = if form.is_empty() {
            self.http.get(self.url(path))
        } else {
            let mut body = reqwest::Url::parse("form:").expect("a constant URL");
            body.query_pairs_mut().extend_pairs(form);
            self.http
                .post(self.url(path))
                .header("content-type", "application/x-www-form-urlencoded")
                .body(body.query().unwrap_or("").to_owned())
        };
        let response = request.send().await.with_context(|| format!("cannot reach a server at {}", self.base))?;
        let status = response.status();
        let text = response.text().await.context("the answer broke off")?;
        let answer: Value = serde_json::from_str(&text)
            .with_context(|| format!("{} answered {status} with something that is not JSON", self.base))?;
        if answer["status"] == "success" {
            return Ok(answer);
        }
        let (kind, reason) = (answer["errorType"].as_str().unwrap_or("error"), answer["error"].as_str().unwrap_or(""));
        bail!("{kind}: {reason}")
    }
}
