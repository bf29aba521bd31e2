//! The certificate.

use std::{path::PathBuf, str::FromStr};

use clap::Args;

#[derive(Debug, Args)]
#[command(next_help_heading = "TLS")]
pub(super) struct TlsFlags {
    /// Certificate chain (PEM). Enables HTTPS; reloaded on SIGHUP [`MONITOR_SERVER_CERTIFICATE`, which names both
    /// files, is honoured]
    #[arg(long, env = "METROGRAPH_TLS_CERT", value_name = "FILE")]
    tls_cert: Option<PathBuf>,

    /// Private key (PEM) of the certificate
    #[arg(long, env = "METROGRAPH_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,

    #[arg(long = "monitor-server-certificate", hide = true, env = "MONITOR_SERVER_CERTIFICATE", hide_env = true)]
    monitor_server_certificate: Option<TlsFiles>,
}

impl TlsFlags {
    /// Returns the files if both are given, or an error if only one is.
    pub(super) fn files(self) -> Result<Option<TlsFiles>, &'static str> {
        match (self.tls_cert, self.tls_key) {
            (Some(cert), Some(key)) => Ok(Some(TlsFiles { cert, key })),
            (Some(_), None) => Err("--tls-cert: --tls-key, the key of the certificate, is missing"),
            (None, Some(_)) => Err("--tls-key: --tls-cert, the certificate of the key, is missing"),
            (None, None) => Ok(self.monitor_server_certificate),
        }
    }
}

/// The paths of certificate and key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain (PEM).
    pub cert: PathBuf,
    /// The private key (PEM).
    pub key: PathBuf,
}

impl FromStr for TlsFiles {
    type Err = &'static str;

    /// monitor-server's syntax: `cert,key`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(',') {
            Some((cert, key)) if !cert.trim().is_empty() && !key.trim().is_empty() => {
                Ok(Self { cert: cert.trim().into(), key: key.trim().into() })
            }
            _ => Err("give the file of the certificate and that of its key, with a comma between them"),
        }
    }
}
