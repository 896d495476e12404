//! How targets are reached: credentials, headers, TLS, proxies, redirects, connections that are used again.

use std::collections::BTreeMap;
use std::sync::Arc;

use config::{Authorization, BasicAuth, HeaderValues, ScrapeConfig, Secret};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use scrape::TargetHealth;
use tokio_rustls::TlsAcceptor;

use crate::harness::{Harness, Reply, Server, at, eventually, job};

async fn outcome(config: ScrapeConfig, end: &str) -> (Harness, scrape::ActiveTarget) {
    let harness = Harness::new();
    harness.apply(&[config]);
    eventually("a scrape", || harness.target(end).is_some_and(|t| t.health != TargetHealth::Unknown)).await;
    let target = harness.target(end).unwrap();
    (harness, target)
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_carry_what_is_configured() {
    let server = Server::start(|_| Reply::text("m 1\n")).await;
    let mut config = job("j", vec![at(&server, "/m")]);
    config.http.basic_auth =
        Some(BasicAuth { username: "me".into(), password: Secret::new("secret"), ..BasicAuth::default() });
    let values = HeaderValues { values: vec!["1".into()], secrets: vec![Secret::new("2")], files: vec![] };
    config.http.http_headers = BTreeMap::from([("X-Mine".into(), values)]);
    let (_harness, target) = outcome(config, "/m").await;
    assert_eq!(target.last_error, "");
    let head = server.requests("/m")[0].head.to_lowercase();
    for line in [
        "authorization: basic bwu6c2vjcmv0", // me:secret
        "x-mine: 1",
        "x-mine: 2",
        "accept-encoding: gzip",
        "x-prometheus-scrape-timeout-seconds: 0.5",
        "user-agent: afferent/",
        &format!("host: {}", server.address),
        "accept: application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,",
    ] {
        assert!(head.contains(&format!("\r\n{line}")), "{line}\n{head}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_token_takes_effect_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, "first\n").unwrap();
    let server = Server::start(|_| Reply::text("m 1\n")).await;
    let mut config = job("j", vec![at(&server, "/m")]);
    config.http.authorization =
        Some(Authorization { credentials_file: Some(file.clone()), ..Authorization::default() });
    let (harness, _) = outcome(config, "/m").await;
    assert!(server.requests("/m")[0].head.to_lowercase().contains("\r\nauthorization: bearer first\r\n"));
    std::fs::write(&file, "second").unwrap();
    let saw = |token: &str| server.requests("/m").iter().any(|r| r.head.to_lowercase().contains(token));
    eventually("the new token", || saw("\r\nauthorization: bearer second\r\n")).await;
    std::fs::remove_file(&file).unwrap();
    eventually("the failure", || harness.target("/m").is_some_and(|t| t.health == TargetHealth::Down)).await;
    let error = harness.target("/m").unwrap().last_error;
    let expected =
        format!("unable to read authorization credentials file {}: no such file or directory", file.display());
    assert!(error.ends_with(&expected), "{error}");
    assert!(!error.contains("second"));
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_are_followed_where_that_is_on_and_secrets_stay_at_home() {
    let other = Server::start(|_| Reply::text("m 1\n")).await;
    let away = format!("http://localhost:{}/there", other.address.port());
    let server = Server::start(move |_| Reply::with(307, "", &[("Location", &away)], b"")).await;
    let mut config = job("j", vec![at(&server, "/m")]);
    config.http.authorization = Some(Authorization { credentials: Secret::new("hush"), ..Authorization::default() });
    let (_harness, target) = outcome(config.clone(), "/m").await;
    assert_eq!(target.last_error, "");
    assert!(server.requests("/m")[0].head.contains("hush"));
    assert!(!other.requests("/there")[0].head.contains("hush"));
    config.http.follow_redirects = false;
    let (_harness, target) = outcome(config, "/m").await;
    assert!(target.last_error.starts_with("server returned HTTP status 307"), "{}", target.last_error);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_is_asked_for_the_whole_url() {
    let proxy = Server::start(|_| Reply::text("m 1\n")).await;
    let target = Server::start(|_| Reply::text("m 2\n")).await;
    let mut config = job("j", vec![at(&target, "/m")]);
    config.http.proxy.proxy_url = config::Url::parse(&format!("http://user:pw@{}", proxy.address)).ok();
    let (harness, _) = outcome(config.clone(), "/m").await;
    assert_eq!(harness.sink.values(&[("__name__", "m")])[0], 1.0);
    let asked = proxy.requests(&format!("http://{}/m", target.address));
    assert!(
        asked[0].head.to_lowercase().contains("\r\nproxy-authorization: basic dxnlcjpwdw==\r\n"),
        "{}",
        asked[0].head
    );
    config.http.proxy.no_proxy = "127.0.0.1".into();
    let (harness, _) = outcome(config, "/m").await;
    assert_eq!(harness.sink.values(&[("__name__", "m")])[0], 2.0);
}

/// An authority, and what it signed for `mon.test` and for a client.
struct Authority {
    ca: String,
    server: (Vec<u8>, Vec<u8>),
    client: (String, String),
}

fn authority() -> Authority {
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = params.self_signed(&ca_key).unwrap();
    let issuer = rcgen::Issuer::new(params, ca_key);
    let signed = |name: &str| {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &issuer).unwrap(), key)
    };
    let (server, server_key) = signed("mon.test");
    let (client, client_key) = signed("client.test");
    Authority {
        ca: ca.pem(),
        server: (server.der().to_vec(), server_key.serialize_der()),
        client: (client.pem(), client_key.serialize_pem()),
    }
}

async fn tls_server(authority: &Authority, wants_client: bool) -> Server {
    let provider = Arc::new(ring::default_provider());
    let builder =
        rustls::ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
    let builder = if wants_client {
        let mut roots = rustls::RootCertStore::empty();
        let der = rustls::pki_types::pem::PemObject::from_pem_slice(authority.ca.as_bytes()).unwrap();
        roots.add(der).unwrap();
        let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
        builder.with_client_cert_verifier(verifier.unwrap())
    } else {
        builder.with_no_client_auth()
    };
    let chain = vec![CertificateDer::from(authority.server.0.clone())];
    let key = PrivateKeyDer::try_from(authority.server.1.clone()).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).unwrap()));
    Server::start_with(
        |_| Reply::text("m 1\n"),
        move |stream| {
            let acceptor = acceptor.clone();
            async move { acceptor.accept(stream).await.ok() }
        },
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_checked() {
    let authority = authority();
    let server = tls_server(&authority, false).await;
    let mut config = job("j", vec![at(&server, "/m")]);
    config.scheme = config::Scheme::Https;

    let (_harness, target) = outcome(config.clone(), "/m").await;
    assert_eq!(target.health, TargetHealth::Down, "an unknown authority");
    config.http.tls_config.ca = authority.ca.clone();
    let (_harness, target) = outcome(config.clone(), "/m").await;
    assert!(target.last_error.contains("certificate"), "another name: {}", target.last_error);
    config.http.tls_config.server_name = "mon.test".into();
    let (_harness, target) = outcome(config.clone(), "/m").await;
    assert_eq!(target.last_error, "");
    config.http.tls_config = config::TlsConfig { insecure_skip_verify: true, ..config::TlsConfig::default() };
    let (_harness, target) = outcome(config.clone(), "/m").await;
    assert_eq!(target.last_error, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn client_certificates_are_shown() {
    let authority = authority();
    let server = tls_server(&authority, true).await;
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        std::fs::write(directory.path().join(name), text).unwrap();
        Some(directory.path().join(name))
    };
    let mut config = job("j", vec![at(&server, "/m")]);
    config.scheme = config::Scheme::Https;
    config.http.tls_config.ca_file = file("ca.pem", &authority.ca);
    config.http.tls_config.server_name = "mon.test".into();
    let (_harness, target) = outcome(config.clone(), "/m").await;
    assert_eq!(target.health, TargetHealth::Down, "no certificate");
    config.http.tls_config.cert_file = file("client.pem", &authority.client.0);
    config.http.tls_config.key_file = file("client.key", &authority.client.1);
    let (_harness, target) = outcome(config, "/m").await;
    assert_eq!(target.last_error, "");
}
