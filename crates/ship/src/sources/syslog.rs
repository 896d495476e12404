//! A syslog receiver: TCP with either framing, TLS where certificates are given, and UDP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use config::TlsConfig;
use config::promtail::{SyslogConfig, SyslogFormat, SyslogTransport};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, info, warn};

use super::{Source, label_name, owned};
use crate::ShipError;
use crate::batch::Batch;
use crate::entry::Entry;
use crate::intake::Stopped;
use crate::syslog::{FrameError, Framer, Message, facility_name, parse, parse_rfc3164, parse_rfc5424, severity_name};

/// Nanoseconds that a message of either format may be ahead of our clock.
const MOST_AHEAD: i64 = 60_000_000_000;
/// Connections at a time.
const MOST_CONNECTIONS: usize = 1000;
/// Blocks of lines that wait for more are looked at this often.
const TICK: Duration = Duration::from_millis(500);
/// Datagrams that are handed over together.
const MOST_GATHERED: usize = 500;

pub(super) async fn start(source: Source, config: &SyslogConfig) -> Result<JoinHandle<()>, ShipError> {
    let refuse = |reason: String| ShipError::Listen {
        what: format!("syslog of job {:?}", source.job),
        address: config.listen.to_string(),
        reason,
    };
    if config.transport == SyslogTransport::Udp {
        let socket = UdpSocket::bind(config.listen).await.map_err(|error| refuse(error.to_string()))?;
        let address = socket.local_addr().map_err(|error| refuse(error.to_string()))?;
        return Ok(tokio::spawn(datagrams(renamed(source, address), config.clone(), socket)));
    }
    let tls = config.tls.as_ref().map(acceptor).transpose().map_err(&refuse)?;
    let listener = TcpListener::bind(config.listen).await.map_err(|error| refuse(error.to_string()))?;
    let address = listener.local_addr().map_err(|error| refuse(error.to_string()))?;
    Ok(tokio::spawn(connections(renamed(source, address), config.clone(), listener, tls)))
}

/// The status page shows the address that is really listened on.
fn renamed(source: Source, address: SocketAddr) -> Source {
    source.context.status.forget(&source.job, source.kind, &source.name);
    info!(job = source.job, %address, "syslog receiver");
    source.sibling(&address.to_string())
}

async fn connections(source: Source, config: SyslogConfig, listener: TcpListener, tls: Option<TlsAcceptor>) {
    let stop = source.context.stop.clone();
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let Ok((stream, peer)) = accepted else { continue };
        let Ok(place) = places.clone().try_acquire_owned() else {
            warn!(%peer, "too many syslog connections; this one is closed");
            continue;
        };
        let (mut own, config, tls, stop) = (source.sibling(&source.name), config.clone(), tls.clone(), stop.clone());
        tokio::spawn(async move {
            let _place = place;
            let outcome = match tls {
                None => connection(&mut own, &config, stream, peer, &stop).await,
                Some(tls) => match timeout(config.idle_timeout.to_std(), tls.accept(stream)).await {
                    Ok(Ok(stream)) => connection(&mut own, &config, stream, peer, &stop).await,
                    Ok(Err(error)) => return debug!(%peer, %error, "TLS handshake failed"),
                    Err(_) => return,
                },
            };
            if let Ok(Some(reason)) = outcome {
                warn!(%peer, reason, "syslog connection closed");
            }
        });
    }
}

/// Reads a connection to its end. Answers why it was closed, where it was we who closed it.
async fn connection(
    source: &mut Source,
    config: &SyslogConfig,
    mut stream: impl AsyncRead + Unpin,
    peer: SocketAddr,
    stop: &tokio_util::sync::CancellationToken,
) -> Result<Option<String>, Stopped> {
    let mut framer = Framer::new(config.max_message_length as usize);
    let mut chunk = vec![0; 16 << 10];
    let mut idle = Duration::ZERO;
    loop {
        let read = tokio::select! {
            read = timeout(TICK, stream.read(&mut chunk)) => read,
            () = stop.cancelled() => Ok(Ok(0)),
        };
        let mut batch = Batch::default();
        let mut reason = None;
        let mut is_ended = false;
        match read {
            Err(_) => {
                idle += TICK;
                is_ended = idle >= config.idle_timeout.to_std();
            }
            Ok(Ok(0)) | Ok(Err(_)) => {
                is_ended = true;
                if let Some(rest) = framer.rest() {
                    let rest = rest.to_vec();
                    message(source, config, &rest, peer, &mut batch);
                }
            }
            Ok(Ok(count)) => {
                idle = Duration::ZERO;
                framer.push(&chunk[..count]);
                loop {
                    match framer.next_message() {
                        Ok(Some(text)) => message(source, config, text, peer, &mut batch),
                        Ok(None) => break,
                        Err(FrameError::TooLong(_)) => {
                            source.context.metrics.syslog_errors.inc();
                        }
                        Err(error @ FrameError::Count) => {
                            source.context.metrics.syslog_errors.inc();
                            reason = Some(error.to_string());
                            is_ended = true;
                            break;
                        }
                    }
                }
            }
        }
        source.tick(&mut batch, is_ended);
        source.submit(batch).await?;
        if is_ended {
            return Ok(reason);
        }
    }
}

async fn datagrams(mut source: Source, config: SyslogConfig, socket: UdpSocket) {
    let stop = source.context.stop.clone();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let mut batch = Batch::default();
        tokio::select! {
            received = timeout(TICK, socket.recv_from(&mut buffer)) => {
                if let Ok(Ok((count, peer))) = received {
                    datagram(&mut source, &config, &buffer[..count], peer, &mut batch);
                }
            }
            () = stop.cancelled() => return,
        }
        // What has come meanwhile goes along.
        for _ in 0..MOST_GATHERED {
            let Ok((count, peer)) = socket.try_recv_from(&mut buffer) else { break };
            datagram(&mut source, &config, &buffer[..count], peer, &mut batch);
        }
        source.tick(&mut batch, false);
        if source.submit(batch).await.is_err() {
            return;
        }
    }
}

fn datagram(source: &mut Source, config: &SyslogConfig, bytes: &[u8], peer: SocketAddr, batch: &mut Batch) {
    let end = bytes.iter().rposition(|b| !matches!(b, b'\n' | b'\r' | 0)).map_or(0, |at| at + 1);
    if end as u64 > config.max_message_length {
        source.context.metrics.syslog_errors.inc();
        return;
    }
    message(source, config, &bytes[..end], peer, batch);
}

fn message(source: &mut Source, config: &SyslogConfig, text: &[u8], peer: SocketAddr, batch: &mut Batch) {
    let metrics = source.context.metrics.clone();
    let now = source.context.pipelines.stamps.now();
    let parsed = match config.format {
        SyslogFormat::Rfc5424 => parse_rfc5424(text),
        SyslogFormat::Rfc3164 => parse_rfc3164(text, now),
        SyslogFormat::Either => parse(text, now).map(|message| trusted(message, now)),
    };
    let parsed = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            metrics.syslog_errors.inc();
            debug!(%peer, %error, "a syslog message cannot be read");
            return;
        }
    };
    if parsed.message.is_empty() && !config.use_rfc5424_message {
        metrics.syslog_empty.inc();
        return;
    }
    let Some(base) = source.base(labels(config, &parsed, peer)) else { return };
    let stamp = source.stamp();
    let timestamp = parsed.timestamp.filter(|_| config.use_incoming_timestamp).unwrap_or(stamp);
    let line = if config.use_rfc5424_message { text } else { parsed.message };
    metrics.syslog_entries.inc();
    let mut entry = Entry::new(&base, timestamp, line, 0);
    if config.metadata {
        entry.metadata = metadata(&parsed);
    }
    source.put(batch, entry);
}

/// RFC 3164 names no time zone, and clocks of devices may be ahead: such times are not taken.
fn trusted(message: Message<'_>, now: i64) -> Message<'_> {
    let timestamp = message.timestamp.filter(|time| message.has_zone && time.saturating_sub(now) < MOST_AHEAD);
    Message { timestamp, ..message }
}

/// What a label would have too many values for.
fn metadata(message: &Message<'_>) -> Vec<(Arc<str>, Box<str>)> {
    let level = match message.severity {
        0 | 1 => "fatal",
        2 => "critical",
        3 => "error",
        4 => "warn",
        7 => "debug",
        _ => "info",
    };
    let mut pairs: Vec<(Arc<str>, Box<str>)> = vec![("detected_level".into(), level.into())];
    let mut add = |name: &str, value: &str| pairs.push((name.into(), value.into()));
    for (name, value) in [("proc_id", &message.proc_id), ("msg_id", &message.msg_id)] {
        if let Some(value) = value {
            add(name, value);
        }
    }
    for (id, params) in &message.structured_data {
        for (name, value) in params {
            add(&format!("sd_{}_{}", label_name(id), label_name(name)), value);
        }
    }
    pairs
}

fn labels(config: &SyslogConfig, message: &Message<'_>, peer: SocketAddr) -> Vec<(String, String)> {
    let mut labels = owned(&config.labels);
    let mut add = |name: &str, value: &str| labels.push((format!("__syslog_{name}"), value.to_owned()));
    add("connection_ip_address", &peer.ip().to_string());
    add("message_severity", severity_name(message.severity));
    add("message_facility", facility_name(message.facility));
    let parts = [
        ("message_hostname", &message.hostname),
        ("message_app_name", &message.app_name),
        ("message_proc_id", &message.proc_id),
        ("message_msg_id", &message.msg_id),
    ];
    for (name, value) in parts {
        if let Some(value) = value {
            add(name, value);
        }
    }
    if config.label_structured_data {
        for (id, params) in &message.structured_data {
            for (name, value) in params {
                add(&format!("message_sd_{}_{}", label_name(id), label_name(name)), value);
            }
        }
    }
    labels
}

fn acceptor(config: &TlsConfig) -> Result<TlsAcceptor, String> {
    let read = |text: &str, file: &Option<std::path::PathBuf>, what: &str| match file {
        Some(path) => std::fs::read(path).map_err(|error| format!("tls_config: {what} {}: {error}", path.display())),
        None => Ok(text.as_bytes().to_vec()),
    };
    let bad = |what: &str, error: &dyn std::fmt::Display| format!("tls_config: {what}: {error}");
    let certificates = |pem: &[u8], what: &str| {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        chain.map_err(|error| bad(what, &error))
    };
    let chain = certificates(&read(&config.cert, &config.cert_file, "cert_file")?, "certificate")?;
    let key = read(config.key.expose(), &config.key_file, "key_file")?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|error| bad("key", &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| bad("versions", &error))?;
    let authorities = certificates(&read(&config.ca, &config.ca_file, "ca_file")?, "ca")?;
    let builder = if authorities.is_empty() {
        builder.with_no_client_auth()
    } else {
        let mut roots = RootCertStore::empty();
        for authority in authorities {
            roots.add(authority).map_err(|error| bad("ca", &error))?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
        builder.with_client_cert_verifier(verifier.map_err(|error| bad("ca", &error))?)
    };
    let server = builder.with_single_cert(chain, key).map_err(|error| bad("certificate", &error))?;
    Ok(TlsAcceptor::from(Arc::new(server)))
}
