//! TLS: rustls with ring, authorities and certificates from the configuration.

use std::path::Path;
use std::sync::Arc;

use config::{TlsConfig, TlsVersion};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme, SupportedProtocolVersion, version};

use crate::ClientError;

/// The name to check instead of the host's, where one is configured.
pub(super) fn server_name(config: &TlsConfig) -> Result<Option<ServerName<'static>>, String> {
    if config.server_name.is_empty() {
        return Ok(None);
    }
    let name = ServerName::try_from(config.server_name.clone());
    name.map(Some).map_err(|_| format!("server_name {:?} is no host name", config.server_name))
}

/// Reads all files named and puts a client configuration together.
pub fn client_config(config: &TlsConfig) -> Result<ClientConfig, ClientError> {
    let refused = ClientError::Settings;
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&versions(config))
        .map_err(|e| refused(format!("tls_config: {e}")))?;
    let ca = pem(&config.ca, config.ca_file.as_deref(), "ca_file")?;
    let builder = if config.insecure_skip_verify {
        let anything = AcceptAny(provider.signature_verification_algorithms);
        builder.dangerous().with_custom_certificate_verifier(Arc::new(anything))
    } else if let Some(ca) = ca {
        builder.with_root_certificates(roots(&ca).map_err(refused)?)
    } else {
        system_verified(builder, provider)
    };
    let certificate = pem(&config.cert, config.cert_file.as_deref(), "cert_file")?;
    let key = pem(config.key.expose(), config.key_file.as_deref(), "key_file")?;
    let (Some(certificate), Some(key)) = (certificate, key) else { return Ok(builder.with_no_client_auth()) };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&certificate).collect();
    let chain = chain.map_err(|e| refused(format!("tls_config: client certificate: {e}")))?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|e| refused(format!("tls_config: client key: {e}")))?;
    builder.with_client_auth_cert(chain, key).map_err(|e| refused(format!("tls_config: client certificate: {e}")))
}

type Builder = rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>;
type Verified = rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>;

/// The system's authorities. A machine without any can still speak plain HTTP.
fn system_verified(builder: Builder, provider: Arc<CryptoProvider>) -> Verified {
    match rustls_platform_verifier::Verifier::new(provider) {
        Ok(verifier) => builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)),
        Err(_) => builder.with_root_certificates(RootCertStore::empty()),
    }
}

fn roots(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|e| format!("tls_config: unable to use specified CA cert: {e}"))?;
        roots.add(certificate).map_err(|e| format!("tls_config: unable to use specified CA cert: {e}"))?;
    }
    if roots.is_empty() { Err("tls_config: the CA has no certificate".into()) } else { Ok(roots) }
}

fn versions(config: &TlsConfig) -> Vec<&'static SupportedProtocolVersion> {
    let lowest = config.min_version.unwrap_or(TlsVersion::Tls12);
    let highest = config.max_version.unwrap_or(TlsVersion::Tls13);
    [(TlsVersion::Tls13, &version::TLS13), (TlsVersion::Tls12, &version::TLS12)]
        .into_iter()
        .filter(|(version, _)| (lowest..=highest).contains(version))
        .map(|(_, supported)| supported)
        .collect()
}

fn pem(text: &str, file: Option<&Path>, what: &'static str) -> Result<Option<Vec<u8>>, ClientError> {
    let Some(path) = file else { return Ok((!text.is_empty()).then(|| text.as_bytes().to_vec())) };
    let unreadable =
        |e: std::io::Error| ClientError::File { what, path: path.to_owned(), reason: super::body::io_text(&e) };
    std::fs::read(path).map(Some).map_err(unreadable)
}

/// `insecure_skip_verify`: any certificate will do, though the server must hold its key.
#[derive(Debug)]
struct AcceptAny(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
