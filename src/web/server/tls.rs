//! The certificate, and how it is read anew.

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

/// Why HTTPS can't be spoken.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate can't be used.
    #[error("--tls-cert: {file}: {reason}")]
    Certificate {
        /// Its file.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// The key can't be used.
    #[error("--tls-key: {file}: {reason}")]
    Key {
        /// Its file.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// Whether the files changed can't be heard of.
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

/// The certificate in use.
pub(crate) struct Tls {
    files: TlsFiles,
    current: Arc<ServerConfig>,
    changes: Changes,
}

impl Tls {
    /// Reads the certificate and its key, and listens for SIGHUP from now on.
    ///
    /// # Errors
    /// A file that can't be used, and why.
    pub(crate) fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        Ok(Self { current: read(files)?, files: files.clone(), changes: Changes::listen()? })
    }

    /// What new connections are greeted with.
    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current)
    }

    /// Waits until the files are said to have changed.
    pub(crate) async fn changed(&mut self) {
        self.changes.next().await;
    }

    /// Reads the files anew. Files that can't be used change nothing.
    pub(crate) fn reload(&mut self) {
        match read(&self.files) {
            Ok(config) => {
                self.current = config;
                tracing::info!("the certificate was read anew");
            }
            Err(error) => tracing::error!(%error, "the certificate stays as it was"),
        }
    }
}

fn read(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let certificate = |reason| TlsError::Certificate { file: config::shown(&files.cert), reason };
    let no_key = |reason| TlsError::Key { file: config::shown(&files.key), reason };
    let chain: Vec<_> = CertificateDer::pem_file_iter(&files.cert)
        .and_then(Iterator::collect)
        .map_err(|error| certificate(reason(&error, "certificate")))?;
    if chain.is_empty() {
        return Err(certificate(reason(&pem::Error::NoItemsFound, "certificate")));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| no_key(reason(&error, "private key")))?;
    // Named, since another crate may bring a second provider.
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| certificate(error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, key);
    let mut config = config.map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => no_key(format!("it is not the key of {}", config::shown(&files.cert))),
        rustls::Error::General(reason) => no_key(reason),
        other => certificate(other.to_string()),
    })?;
    config.alpn_protocols = vec![H2.to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// How HTTP/2 is called when the protocol is agreed on.
pub(crate) const H2: &[u8] = b"h2";

/// SIGHUP.
#[cfg(unix)]
struct Changes(tokio::signal::unix::Signal);

#[cfg(unix)]
impl Changes {
    fn listen() -> io::Result<Self> {
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).map(Self)
    }

    async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

/// Nothing tells here that the files changed.
#[cfg(not(unix))]
struct Changes;

#[cfg(not(unix))]
impl Changes {
    fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        std::future::pending::<()>().await;
    }
}
