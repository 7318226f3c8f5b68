//! TLS of our own: the certificate, read again when its file changes, and a connection that shakes hands when it is first
//! read, so that a slow peer keeps nobody else waiting at the entrance.

use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{Accept, TlsAcceptor};

use crate::broker::tls::{TlsFileError, identity};
use crate::config::sections;

/// How often the files are looked at; whoever renews a certificate wants to see at once that it was taken.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(10);

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{0}")]
    File(#[from] TlsFileError),
    #[error("does not fit `tls_cert_file`: {0}")]
    Unfit(#[from] rustls::Error),
}

impl TlsError {
    /// Which key of `[http]` is wrong.
    #[must_use]
    pub const fn key(&self) -> &'static str {
        match self {
            Self::File(error) => match error.key().as_bytes() {
                b"key_file" => "tls_key_file",
                _ => "tls_cert_file",
            },
            Self::Unfit(_) => "tls_key_file",
        }
    }
}

/// The certificate that is shown.
pub struct Certificate {
    cert_file: PathBuf,
    key_file: PathBuf,
    shown: RwLock<Arc<CertifiedKey>>,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("cert_file", &self.cert_file).finish_non_exhaustive()
    }
}

impl Certificate {
    /// The certificate of `[http]`, if it has one.
    ///
    /// # Errors
    /// The file that cannot be used, or that the two do not fit.
    pub fn configured(http: &sections::Http) -> Result<Option<Arc<Self>>, TlsError> {
        match (&http.tls_cert_file, &http.tls_key_file) {
            (Some(cert_file), Some(key_file)) => Self::read(cert_file, key_file).map(Some),
            _ => Ok(None),
        }
    }

    /// Reads certificate and key.
    ///
    /// # Errors
    /// The file that cannot be used, or that the two do not fit.
    pub fn read(cert_file: &Path, key_file: &Path) -> Result<Arc<Self>, TlsError> {
        let shown = RwLock::new(certified(cert_file, key_file)?);
        Ok(Arc::new(Self { cert_file: cert_file.to_owned(), key_file: key_file.to_owned(), shown }))
    }

    /// How TLS is spoken with it.
    ///
    /// # Panics
    /// Never: the provider has the versions that rustls holds safe.
    #[must_use]
    pub fn config(self: &Arc<Self>) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.expect("ring has the versions that rustls holds safe").with_no_client_auth();
        let mut config = builder.with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Arc::new(config)
    }

    /// Reads the files again whenever one of them changes, for ever. What cannot be used is told, and the old one stays.
    pub async fn follow(self: Arc<Self>) {
        let mut seen = self.changed();
        loop {
            tokio::time::sleep(LOOKED_AT_EVERY).await;
            let now = self.changed();
            if now == seen {
                continue;
            }
            seen = now;
            match certified(&self.cert_file, &self.key_file) {
                Ok(certificate) => {
                    *self.shown.write().unwrap_or_else(PoisonError::into_inner) = certificate;
                    tracing::info!("the certificate of HTTP was read again");
                }
                Err(error) => tracing::error!(%error, "the new certificate is not used; the old one stays"),
            }
        }
    }

    /// What differs when a file was written again: when, to the nanosecond, and its number on the disk.
    fn changed(&self) -> [Option<(i64, i64, u64)>; 2] {
        let told = |file: &PathBuf| std::fs::metadata(file).ok().map(|it| (it.mtime(), it.mtime_nsec(), it.ino()));
        [&self.cert_file, &self.key_file].map(told)
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.shown.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn certified(cert_file: &Path, key_file: &Path) -> Result<Arc<CertifiedKey>, TlsError> {
    let (chain, key) = identity(cert_file, key_file)?;
    Ok(Arc::new(CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider())?))
}

/// A connection, with TLS or without.
pub enum Line {
    Plain(TcpStream),
    /// The handshake has not ended.
    Shaking(Box<Accept<TcpStream>>),
    Secure(Box<TlsStream<TcpStream>>),
}

impl Line {
    /// A connection that was just accepted.
    #[must_use]
    pub fn new(stream: TcpStream, tls: Option<&TlsAcceptor>) -> Self {
        match tls {
            None => Self::Plain(stream),
            Some(acceptor) => Self::Shaking(Box::new(acceptor.accept(stream))),
        }
    }

    /// Ready when the handshake has ended.
    fn shake(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Self::Shaking(handshake) = self {
            let stream = ready!(Pin::new(&mut **handshake).poll(context))?;
            *self = Self::Secure(Box::new(stream));
        }
        Poll::Ready(Ok(()))
    }
}

/// Nothing is read or written before the handshake has ended.
macro_rules! on {
    ($line:expr, $context:expr, $stream:ident => $done:expr) => {{
        let line = $line.get_mut();
        ready!(line.shake($context))?;
        match line {
            Line::Plain($stream) => $done,
            Line::Secure($stream) => $done,
            Line::Shaking(_) => unreachable!("the handshake has ended"),
        }
    }};
}

impl AsyncRead for Line {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        on!(self, context, stream => Pin::new(stream).poll_read(context, buffer))
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        on!(self, context, stream => Pin::new(stream).poll_write(context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        on!(self, context, stream => Pin::new(stream).poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Secure(stream) => Pin::new(&mut **stream).poll_shutdown(context),
            Self::Shaking(_) => Poll::Ready(Ok(())),
        }
    }
}
