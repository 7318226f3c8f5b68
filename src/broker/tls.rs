//! The TLS files of a client of a broker, read at once, so that a bad one is told at start and by its name.

use std::path::{Path, PathBuf};

use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Which file is wrong, under which key of the configuration, and how.
#[derive(Debug, thiserror::Error)]
pub enum TlsFileError {
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable { key: &'static str, path: PathBuf, source: std::io::Error },
    #[error("{}: {problem}", path.display())]
    BadPem { key: &'static str, path: PathBuf, problem: String },
}

impl TlsFileError {
    /// `ca_file`, `cert_file` or `key_file`.
    #[must_use]
    pub const fn key(&self) -> &'static str {
        match self {
            Self::Unreadable { key, .. } | Self::BadPem { key, .. } => key,
        }
    }
}

/// Trusts the certificates of `ca_file` alone, and shows a certificate of its own if one is given with its key. All of
/// them are PEM.
///
/// # Errors
/// The first file that cannot be used.
pub fn client(ca_file: &Path, own: Option<(&Path, &Path)>) -> Result<ClientConfig, TlsFileError> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in certificates("ca_file", ca_file)? {
        roots.add(certificate).map_err(|error| bad_pem("ca_file", ca_file, &error))?;
    }
    let builder = ClientConfig::builder().with_root_certificates(roots);
    let Some((cert_file, key_file)) = own else { return Ok(builder.with_no_client_auth()) };
    let (chain, key) = identity(cert_file, key_file)?;
    builder.with_client_auth_cert(chain, key).map_err(|error| bad_pem("key_file", key_file, &error))
}

/// A certificate with its chain, and its key; both are PEM.
///
/// # Errors
/// The first file that cannot be used.
pub fn identity(
    cert_file: &Path,
    key_file: &Path,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsFileError> {
    let chain = certificates("cert_file", cert_file)?;
    let pem = read("key_file", key_file)?;
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| bad_pem("key_file", key_file, &error))?;
    Ok((chain, key))
}

/// Every certificate of a PEM file; at least one.
///
/// # Errors
/// The file cannot be read, or holds none.
pub fn certificates(key: &'static str, file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFileError> {
    let pem = read(key, file)?;
    let found = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| bad_pem(key, file, &error))?;
    if found.is_empty() { Err(bad_pem(key, file, &"no PEM certificate in it")) } else { Ok(found) }
}

fn read(key: &'static str, file: &Path) -> Result<Vec<u8>, TlsFileError> {
    std::fs::read(file).map_err(|source| TlsFileError::Unreadable { key, path: file.to_owned(), source })
}

/// What is wrong with a file that can be read.
#[must_use]
pub fn bad_pem(key: &'static str, file: &Path, problem: &dyn std::fmt::Display) -> TlsFileError {
    TlsFileError::BadPem { key, path: file.to_owned(), problem: problem.to_string() }
}
