//! Until when the certificates of a client of a broker hold. Reads what the TLS files say; verifies nothing.

use std::path::Path;

use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use super::tls::{self, TlsFileError};
use crate::domain::time::Timestamp;

/// Until when an authority's file is of use: as long as the last of its certificates holds, because a file may hold an
/// old authority beside the new one.
///
/// # Errors
/// The file cannot be read, or what is in it.
pub fn authorities(ca_file: &Path) -> Result<Timestamp, TlsFileError> {
    let all = tls::certificates("ca_file", ca_file)?;
    let ends = all.iter().map(|one| not_after("ca_file", ca_file, one)).collect::<Result<Vec<_>, _>>()?;
    Ok(ends.into_iter().max().expect("a file without a certificate is refused"))
}

/// Until when our own certificate holds, which is the first of its file; those behind it lead to the authority.
///
/// # Errors
/// The file cannot be read, or what is in it.
pub fn own(cert_file: &Path) -> Result<Timestamp, TlsFileError> {
    let all = tls::certificates("cert_file", cert_file)?;
    not_after("cert_file", cert_file, all.first().expect("a file without a certificate is refused"))
}

fn not_after(key: &'static str, file: &Path, der: &CertificateDer<'_>) -> Result<Timestamp, TlsFileError> {
    let certificate = Certificate::from_der(der).map_err(|error| tls::bad_pem(key, file, &error))?;
    let end = certificate.tbs_certificate().validity().not_after.to_unix_duration();
    Ok(Timestamp(i64::try_from(end.as_millis()).unwrap_or(i64::MAX)))
}
