//! TCP connections, straight or through an HTTP proxy.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use config::ProxyConfig;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower::Service;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Connects to a URL's host, or to the proxy that is to be used for it.
#[derive(Clone)]
pub(crate) struct ProxyConnector {
    tcp: HttpConnector,
    proxies: Option<Arc<Matcher>>,
    connect_headers: HeaderMap,
}

/// Finds the proxy for a URL. `None` where the settings name no proxy at all.
pub(super) fn matcher(config: &ProxyConfig) -> Option<Matcher> {
    if config.proxy_from_environment {
        return Some(Matcher::from_env());
    }
    let url = config.proxy_url.as_ref()?.as_url().as_str();
    Some(Matcher::builder().all(url).no(config.no_proxy.as_str()).build())
}

impl ProxyConnector {
    /// The error says what in the proxy settings cannot be used.
    pub(super) fn new(config: &ProxyConfig) -> Result<Self, String> {
        if let Some(url) = &config.proxy_url
            && url.as_url().scheme() != "http"
        {
            return Err(format!("proxy_url {url}: only proxies with http:// are supported"));
        }
        let mut connect_headers = HeaderMap::new();
        for (name, values) in &config.proxy_connect_header {
            let name = HeaderName::try_from(name).map_err(|e| format!("proxy_connect_header {name:?}: {e}"))?;
            for value in values {
                let value = HeaderValue::try_from(value.expose())
                    .map_err(|_| format!("proxy_connect_header {name}: the value is no header text"))?;
                connect_headers.append(name.clone(), value);
            }
        }
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        Ok(ProxyConnector { tcp, proxies: matcher(config).map(Arc::new), connect_headers })
    }
}

impl Service<Uri> for ProxyConnector {
    type Response = Stream;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let mut tcp = self.tcp.clone();
        let proxy = self.proxies.as_ref().and_then(|m| m.intercept(&target));
        let Some(proxy) = proxy else {
            return Box::pin(async move { Ok(Stream { tcp: tcp.call(target).await?, through_proxy: false }) });
        };
        if target.scheme_str() == Some("https") {
            let mut tunnel = Tunnel::new(proxy.uri().clone(), tcp).with_headers(self.connect_headers.clone());
            if let Some(authorization) = proxy.basic_auth() {
                tunnel = tunnel.with_auth(authorization.clone());
            }
            return Box::pin(async move { Ok(Stream { tcp: tunnel.call(target).await?, through_proxy: false }) });
        }
        let uri = proxy.uri().clone();
        Box::pin(async move { Ok(Stream { tcp: tcp.call(uri).await?, through_proxy: true }) })
    }
}

/// A connection that knows whether requests on it name the whole URL.
pub(crate) struct Stream {
    tcp: TokioIo<TcpStream>,
    through_proxy: bool,
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        self.tcp.connected().proxy(self.through_proxy)
    }
}

impl Read for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl Write for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
