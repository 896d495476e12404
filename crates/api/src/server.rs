//! Listeners, connections and the orderly end.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::{debug, warn};

use crate::queries::ClientAddress;

/// Connections open at a time, all listeners together (Prometheus' `--web.max-connections`).
const MAX_CONNECTIONS: usize = 512;
/// How long a client may take to send the head of a request; also ends connections that stay silent.
const HEADER_TIMEOUT: Duration = Duration::from_secs(60);
/// Pause after a failed accept, which usually means that file descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Why an address cannot be listened on.
#[derive(Debug, Error)]
pub enum BindError {
    /// Reachable from other machines, and there is no login yet.
    #[error(
        "refusing to listen on {0}: beyond loopback, login is required, and this version has none yet. \
         Use 127.0.0.1 or [::1], and an SSH tunnel or an authenticating proxy on this machine for access from elsewhere"
    )]
    BeyondLoopback(IpAddr),
    /// The system refuses.
    #[error("cannot listen on {address}: {source}")]
    Refused {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// Opens a listener on a loopback address.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    if !address.ip().is_loopback() {
        return Err(BindError::BeyondLoopback(address.ip()));
    }
    TcpListener::bind(address).await.map_err(|source| BindError::Refused { address, source })
}

/// Serves each listener with its router until `stop`; then accepts nothing more and gives open requests `grace` to end.
pub async fn serve(listeners: Vec<(TcpListener, Router)>, stop: CancellationToken, grace: Duration) {
    let graceful = Arc::new(GracefulShutdown::new());
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let accepting = listeners.into_iter().map(|(listener, router)| {
        tokio::spawn(accept(listener, router, slots.clone(), graceful.clone(), stop.clone()))
    });
    futures::future::join_all(accepting.collect::<Vec<_>>()).await;

    let Some(graceful) = Arc::into_inner(graceful) else { return };
    if tokio::time::timeout(grace, graceful.shutdown()).await.is_err() {
        warn!(grace_s = grace.as_secs_f64(), "closing connections whose requests have not ended");
    }
}

async fn accept(
    listener: TcpListener,
    router: Router,
    slots: Arc<Semaphore>,
    graceful: Arc<GracefulShutdown>,
    stop: CancellationToken,
) {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(HEADER_TIMEOUT);
    loop {
        // Waiting for a slot before accepting leaves the surplus in the system's queue instead of in our memory.
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await.expect("the semaphore is never closed");
            (listener.accept().await, slot)
        };
        let (accepted, slot) = tokio::select! {
            () = stop.cancelled() => return,
            next = next => next,
        };
        let (stream, client) = match accepted {
            Ok((stream, client)) => (stream, ClientAddress(client)),
            Err(error) => {
                warn!(%error, "cannot accept a connection");
                tokio::time::sleep_until(tokio::time::Instant::now() + ACCEPT_PAUSE).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(router.clone().map_request(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(client);
            request
        }));
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                debug!(error, "connection ended");
            }
            drop(slot);
        });
    }
}
