//! The TLS certificate, and its reload on SIGHUP.

use std::{io, sync::Arc};

use tokio_rustls::rustls::{
    self, ServerConfig,
    crypto::ring,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject as _},
    },
};

use crate::config::{self, TlsFiles};

/// Why TLS cannot be configured.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate can't be used.
    #[error("--tls-cert: {file}: {reason}")]
    Certificate {
        /// Its path.
        file: String,
        /// The reason.
        reason: String,
    },
    /// The key can't be used.
    #[error("--tls-key: {file}: {reason}")]
    Key {
        /// Its path.
        file: String,
        /// The reason.
        reason: String,
    },
    /// SIGHUP cannot be listened for.
    #[error("SIGHUP can't be listened for: {0}")]
    Signal(#[from] io::Error),
}

fn reason(error: &pem::Error, what: &str) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => format!("there is no {what} in it (PEM)"),
        other => format!("it is no PEM: {other}"),
    }
}

/// The current certificate.
pub(crate) struct Tls {
    files: TlsFiles,
    current: Arc<ServerConfig>,
    reload_signal: ReloadSignal,
}

impl Tls {
    /// Reads certificate and key, and listens for SIGHUP from now on.
    ///
    /// # Errors
    /// The file that cannot be used, and why.
    pub(crate) fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        Ok(Self { current: read(files)?, files: files.clone(), reload_signal: ReloadSignal::listen()? })
    }

    /// Returns the configuration for new connections.
    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current)
    }

    /// Waits for SIGHUP.
    pub(crate) async fn changed(&mut self) {
        self.reload_signal.next().await;
    }

    /// Reads the files again. If they cannot be used, the current certificate stays.
    pub(crate) fn reload(&mut self) {
        match read(&self.files) {
            Ok(config) => {
                self.current = config;
                tracing::info!("certificate reloaded");
            }
            Err(error) => tracing::error!(%error, "certificate reload failed; keeping the old one"),
        }
    }
}

fn read(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let certificate = |reason| TlsError::Certificate { file: config::redacted_path(&files.cert), reason };
    let no_key = |reason| TlsError::Key { file: config::redacted_path(&files.key), reason };
    let chain: Vec<_> = CertificateDer::pem_file_iter(&files.cert)
        .and_then(Iterator::collect)
        .map_err(|error| certificate(reason(&error, "certificate")))?;
    if chain.is_empty() {
        return Err(certificate(reason(&pem::Error::NoItemsFound, "certificate")));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| no_key(reason(&error, "private key")))?;
    // Explicit, because another dependency may install a second provider.
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| certificate(error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, key);
    let mut config = config.map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            no_key(format!("it is not the key of {}", config::redacted_path(&files.cert)))
        }
        rustls::Error::General(reason) => no_key(reason),
        other => certificate(other.to_string()),
    })?;
    config.alpn_protocols = vec![H2.to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The ALPN identifier of HTTP/2.
pub(crate) const H2: &[u8] = b"h2";

/// SIGHUP.
#[cfg(unix)]
struct ReloadSignal(tokio::signal::unix::Signal);

#[cfg(unix)]
impl ReloadSignal {
    fn listen() -> io::Result<Self> {
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).map(Self)
    }

    async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

/// There is no reload signal on this platform.
#[cfg(not(unix))]
struct ReloadSignal;

#[cfg(not(unix))]
impl ReloadSignal {
    fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        std::future::pending::<()>().await;
    }
}
