//! The HTTP client behind every request that this process makes: TLS, proxies, credentials and redirects as a
//! configuration's `HttpClientConfig` says. One connection pool a client; credentials are read anew for every request.
//!
//! It knows nothing of scraping, remote write or notifications.

mod body;
mod connector;
mod credentials;
mod tls;

use std::error::Error as _;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use config::HttpClientConfig;
use http::header::{AUTHORIZATION, COOKIE, HOST, HeaderMap, HeaderValue, LOCATION, USER_AGENT};
use http::{Method, Request, Response, Uri};
use http_body_util::Full;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use thiserror::Error;
use url::Url;

pub use hyper::body::Incoming;

pub use body::{BodyLimit, read_body};
use connector::ProxyConnector;
use credentials::Credentials;
pub use tls::client_config;

/// Connections are kept between scrapes for this long, as in Prometheus.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);
const MOST_REDIRECTS: usize = 10;
const AGENT: &str = concat!("Afferent/", env!("CARGO_PKG_VERSION"));

/// Why a client cannot be made from its settings.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ClientError {
    /// A file with a certificate or key cannot be read.
    #[error("{what} file {}: {reason}", path.display())]
    File {
        /// Which setting names the file.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Settings that cannot be used, in words.
    #[error("{0}")]
    Settings(String),
}

/// Why there is no answer. The texts follow those of Prometheus.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum FetchError {
    /// The request got no answer.
    #[error("{method} {url:?}: {reason}")]
    Request {
        /// `Get`, `Post`, as Go writes them.
        method: &'static str,
        /// Without its password.
        url: String,
        /// What happened.
        reason: String,
    },
    /// The answer could not be read to its end.
    #[error("{0}")]
    Body(String),
    /// The answer is larger than allowed.
    #[error("body size limit exceeded")]
    BodySizeLimit,
}

/// Fetches URLs under the settings of one configuration.
#[derive(Clone)]
pub struct HttpClient {
    client: Client<HttpsConnector<ProxyConnector>, Full<Bytes>>,
    credentials: Credentials,
    follow_redirects: bool,
}

impl HttpClient {
    /// Reads the certificates and makes a client.
    pub fn new(config: &HttpClientConfig) -> Result<Self, ClientError> {
        let refused = ClientError::Settings;
        if config.oauth2.is_some() {
            return Err(refused("oauth2 is not supported yet, use authorization or basic_auth".into()));
        }
        let tls = tls::client_config(&config.tls_config)?;
        let proxied = ProxyConnector::new(&config.proxy).map_err(refused)?;
        let builder = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        let server_name = tls::server_name(&config.tls_config).map_err(refused)?;
        let builder = match server_name {
            Some(name) => builder.with_server_name_resolver(hyper_rustls::FixedServerNameResolver::new(name)),
            None => builder.with_server_name_resolver(hyper_rustls::DefaultServerNameResolver::default()),
        };
        let connector = if config.enable_http2 {
            builder.enable_http1().enable_http2().wrap_connector(proxied)
        } else {
            builder.enable_http1().wrap_connector(proxied)
        };
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_timer(TokioTimer::new())
            .http1_max_buf_size(64 << 10)
            .build(connector);
        Ok(HttpClient { client, credentials: Credentials::new(config), follow_redirects: config.follow_redirects })
    }

    /// Sends a GET request and gives the answer's head; the body is still to be read. Follows redirects where that is on.
    pub async fn get(&self, url: &str, headers: HeaderMap) -> Result<Response<Incoming>, FetchError> {
        self.request(Method::GET, url, headers, Bytes::new()).await
    }

    /// Sends a POST request like [`HttpClient::get`]. A redirect is followed with the body where its status says so (307,
    /// 308), else as a GET request, as Go's client does.
    pub async fn post(&self, url: &str, headers: HeaderMap, body: Bytes) -> Result<Response<Incoming>, FetchError> {
        self.request(Method::POST, url, headers, body).await
    }

    async fn request(
        &self,
        mut method: Method,
        url: &str,
        headers: HeaderMap,
        mut body: Bytes,
    ) -> Result<Response<Incoming>, FetchError> {
        let verb = if method == Method::POST { "Post" } else { "Get" };
        let failed = |reason: String| FetchError::Request { method: verb, url: redacted(url), reason };
        let mut target = Url::parse(url).map_err(|e| failed(e.to_string()))?;
        if !matches!(target.scheme(), "http" | "https") {
            return Err(failed(format!("unsupported protocol scheme {:?}", target.scheme())));
        }
        let first_host = target.host_str().map(str::to_owned);
        let mut headers = headers;
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        self.credentials.add_to(&mut headers).await.map_err(failed)?;
        credentials::add_user_info(&target, &mut headers);
        for _ in 0..=MOST_REDIRECTS {
            let response = self.send(&method, &target, headers.clone(), body.clone()).await.map_err(failed)?;
            let Some(next) = self.redirect(&target, &response).map_err(failed)? else { return Ok(response) };
            if !matches!(response.status().as_u16(), 307 | 308) {
                method = Method::GET;
                body = Bytes::new();
            }
            if next.host_str() != first_host.as_deref() {
                // Another host is no party to the secrets of this one.
                for name in [AUTHORIZATION, COOKIE] {
                    headers.remove(name);
                }
                self.credentials.remove_secret_headers(&mut headers);
            }
            target = next;
        }
        Err(failed(format!("stopped after {MOST_REDIRECTS} redirects")))
    }

    async fn send(
        &self,
        method: &Method,
        target: &Url,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Incoming>, String> {
        let mut plain = target.clone();
        // Neither can fail: the URL has a host, because its scheme is http or https.
        let _ = plain.set_username("");
        let _ = plain.set_password(None);
        plain.set_fragment(None);
        let uri: Uri = plain.as_str().parse().map_err(|e| format!("{e}"))?;
        if plain.scheme() == "http"
            && let Some(authorization) = self.client_proxy_authorization(&uri)
        {
            headers.insert(http::header::PROXY_AUTHORIZATION, authorization);
        }
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        if let Some(host) = self.credentials.host() {
            request.headers_mut().insert(HOST, host.clone());
        }
        self.client.request(request).await.map_err(|error| {
            let authority = target.authority();
            describe(&error, authority.rsplit('@').next().unwrap_or_default())
        })
    }

    fn client_proxy_authorization(&self, uri: &Uri) -> Option<HeaderValue> {
        self.credentials.proxy_authorization(uri)
    }

    fn redirect(&self, from: &Url, response: &Response<Incoming>) -> Result<Option<Url>, String> {
        let moved = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
        if !self.follow_redirects || !moved {
            return Ok(None);
        }
        let Some(location) = response.headers().get(LOCATION) else { return Ok(None) };
        let location = location.to_str().map_err(|_| "the Location header is not text".to_owned())?;
        let next = from.join(location).map_err(|e| format!("failed to parse Location header {location:?}: {e}"))?;
        if !matches!(next.scheme(), "http" | "https") {
            return Err(format!("unsupported protocol scheme {:?}", next.scheme()));
        }
        Ok(Some(next))
    }
}

/// The URL without its password.
fn redacted(url: &str) -> String {
    match Url::parse(url) {
        Ok(mut parsed) if parsed.password().is_some() => {
            let _ = parsed.set_password(Some("xxxxx"));
            parsed.to_string()
        }
        _ => url.to_owned(),
    }
}

/// The innermost cause, in the words that Prometheus' users know.
fn describe(error: &hyper_util::client::legacy::Error, authority: &str) -> String {
    let mut cause: &(dyn std::error::Error + 'static) = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    if let Some(io) = cause.downcast_ref::<std::io::Error>() {
        let text = body::io_text(io);
        return if error.is_connect() && io.raw_os_error().is_some() {
            format!("dial tcp {authority}: connect: {text}")
        } else {
            text
        };
    }
    let is_cut_off =
        error.source().and_then(|e| e.downcast_ref::<hyper::Error>()).is_some_and(|e| e.is_incomplete_message());
    if is_cut_off { "EOF".into() } else { cause.to_string() }
}
