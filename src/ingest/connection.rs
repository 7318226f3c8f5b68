//! From a region's settings to MQTT options: credentials, TLS and the limits that keep a session alive.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rumqttc::{
    AckMode, BrokerSessionResumePolicy, IncomingPacketSizeLimit, MqttOptions, SessionMode, TlsConfiguration, Transport,
};

use super::gather::Gathering;
use super::resume::NothingInFlight;
use crate::broker::BrokerUrl;
use crate::broker::tls::{self, TlsFileError};
use crate::domain::id::RegionCode;

/// The largest packet that the session takes. Far above the 64 KiB of a good payload, because a client that refuses a
/// packet of a persistent session meets the same packet again at every connection, for ever.
pub const MAX_PACKET_BYTES: u32 = 16 * 1024 * 1024;

/// Application acks on their way to the connection; the others wait where a later one can take their place.
const ACK_ROOM: usize = 256;

/// Between two tries to connect: 0.1 to 5 s, so that a city of daemons does not come back as one.
#[must_use]
pub fn retry_delay() -> Duration {
    Duration::from_millis(fastrand::u64(100..=5_000))
}

/// Packet ids of the receiving client: SUBSCRIBE takes one.
const PUBLISHES_NOTHING: u16 = 16;

/// Application acks that the broker has not taken yet.
const ACKS_IN_FLIGHT: u16 = 256;

/// Everything that one region's session needs to reach its broker.
#[derive(Debug, Clone)]
pub struct SessionSettings {
    pub region: RegionCode,
    pub broker: BrokerUrl,
    /// The session's name at the broker; no other client may use it.
    pub client_id: String,
    pub username: Option<String>,
    pub password_file: Option<PathBuf>,
    /// Certificates (PEM) that the broker's must lead to; the system's own where absent.
    pub ca_file: Option<PathBuf>,
    /// Our certificate and key (PEM), where the broker asks for them; both or neither.
    pub cert_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
    /// Messages that the broker may send before the first is acknowledged; 4,096 to 8,192 (docs/decisions).
    pub receive_maximum: u16,
    /// Seconds of silence before a ping; a dead line is noticed within two.
    pub keep_alive_seconds: u16,
    /// Seconds that the broker keeps our session while we are away; `u32::MAX` is for ever.
    pub session_expiry_seconds: u32,
    /// Whether acks are published to `liftack/v1/...` after each commit.
    pub application_ack: bool,
    /// User of the client that publishes acks; the session's own where absent. A broker that names clients by their user
    /// (mosquitto: `use_username_as_clientid`) needs another one here.
    pub ack_username: Option<String>,
    pub ack_password_file: Option<PathBuf>,
}

impl SessionSettings {
    /// Settings for a broker without TLS or password, with the defaults that were measured to work.
    #[must_use]
    pub fn new(region: RegionCode, broker: BrokerUrl, client_id: String) -> Self {
        Self {
            region,
            broker,
            client_id,
            username: None,
            password_file: None,
            ca_file: None,
            cert_file: None,
            key_file: None,
            receive_maximum: 4096,
            keep_alive_seconds: 30,
            session_expiry_seconds: u32::MAX,
            application_ack: true,
            ack_username: None,
            ack_password_file: None,
        }
    }
}

/// Why a session cannot even be tried.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionSettingsError {
    #[error("password_file {} cannot be read: {source}", path.display())]
    Password { path: PathBuf, source: std::io::Error },
    #[error("{} {_0}", _0.key())]
    TlsFile(#[from] TlsFileError),
    #[error("cert_file and key_file belong together: give both or neither")]
    HalfClientCertificate,
    #[error("password_file without username")]
    PasswordWithoutUser,
    #[error("ca_file, cert_file and key_file need a broker address that begins with mqtts://")]
    TlsFilesWithoutTls,
    #[error("cert_file needs ca_file: name the certificates that the broker's must lead to")]
    ClientCertificateWithoutCa,
    #[error("the system's certificates cannot be read ({0}); name the broker's in ca_file")]
    SystemRoots(String),
}

impl ConnectionSettingsError {
    /// The key of the `[[region]]` that has to change, and what is wrong with it.
    #[must_use]
    pub fn at_key(&self) -> (&'static str, String) {
        match self {
            Self::Password { path, source } => {
                ("password_file", format!("{} cannot be read: {source}", path.display()))
            }
            Self::TlsFile(error) => (error.key(), error.to_string()),
            Self::HalfClientCertificate => ("cert_file", self.to_string()),
            Self::PasswordWithoutUser => ("password_file", self.to_string()),
            Self::TlsFilesWithoutTls => ("broker", self.to_string()),
            Self::ClientCertificateWithoutCa | Self::SystemRoots(_) => ("ca_file", self.to_string()),
        }
    }
}

/// Whether a session with these settings can be tried: reads every file that they name.
///
/// # Errors
/// As [`receiving_options`].
pub fn verify(settings: &SessionSettings) -> Result<(), ConnectionSettingsError> {
    receiving_options(settings)?;
    if settings.application_ack {
        ack_options(settings)?;
    }
    Ok(())
}

/// Options of the session that receives: persistent, acknowledged by hand.
///
/// # Errors
/// [`ConnectionSettingsError`] names the key and the file that is wrong.
pub fn receiving_options(settings: &SessionSettings) -> Result<MqttOptions, ConnectionSettingsError> {
    let user = Login { name: &settings.username, password: &settings.password_file };
    let mut options = common_options(settings, settings.client_id.clone(), &user, PUBLISHES_NOTHING)?;
    options.set_receive_maximum(Some(settings.receive_maximum.max(1)));
    // Packet ids have 16 bits, so this many acknowledgements can never be waiting: no call on the client can block or fail.
    options.set_request_channel_capacity(usize::from(u16::MAX) + 1024);
    options.set_read_batch_size(128);
    Ok(options)
}

/// Options of the second client, which publishes application acks and may lose them. It is as persistent as the first and
/// acknowledges nothing: a broker that takes the two for one client would otherwise wipe the session, or count messages
/// as taken that nobody has stored.
///
/// # Errors
/// As [`receiving_options`].
pub fn ack_options(settings: &SessionSettings) -> Result<MqttOptions, ConnectionSettingsError> {
    let user = match &settings.ack_username {
        Some(_) => Login { name: &settings.ack_username, password: &settings.ack_password_file },
        None => Login { name: &settings.username, password: &settings.password_file },
    };
    let mut options = common_options(settings, format!("{}-ack", settings.client_id), &user, ACKS_IN_FLIGHT)?;
    options.set_request_channel_capacity(ACK_ROOM);
    Ok(options)
}

struct Login<'a> {
    name: &'a Option<String>,
    password: &'a Option<PathBuf>,
}

fn common_options(
    settings: &SessionSettings,
    client_id: String,
    login: &Login<'_>,
    in_flight: u16,
) -> Result<MqttOptions, ConnectionSettingsError> {
    let mut options = MqttOptions::new(client_id, (settings.broker.host.clone(), settings.broker.port));
    options.set_keep_alive(settings.keep_alive_seconds);
    options.set_connect_timeout(Duration::from_secs(10));
    options.set_session_mode(SessionMode::Persistent);
    options.set_session_expiry_interval(Some(settings.session_expiry_seconds));
    // Our own memory of the session is the database; a fresh process must accept what the broker kept for it.
    options.set_session_store(NothingInFlight { limit: in_flight });
    // The library looks through this many places at every write: 65,535 took two thirds of the daemon's time.
    options.set_outgoing_inflight_upper_limit(in_flight);
    options.set_broker_session_resume_policy(BrokerSessionResumePolicy::AllowBrokerOnly);
    options.set_ack_mode(AckMode::Manual);
    options.set_incoming_packet_size_limit(IncomingPacketSizeLimit::Bytes(MAX_PACKET_BYTES));
    // Without these each small packet is a write of its own.
    options.set_max_request_batch(256);
    options.set_socket_connector(|host, network| async move {
        rumqttc::default_socket_connect(host, network).await.map(Gathering::new)
    });
    match (login.name, login.password) {
        (Some(user), Some(file)) => {
            options.set_credentials(user.clone(), read_password(file)?);
        }
        (Some(user), None) => {
            options.set_username(user.clone());
        }
        (None, Some(_)) => return Err(ConnectionSettingsError::PasswordWithoutUser),
        (None, None) => {}
    }
    if settings.broker.tls {
        options.set_transport(Transport::tls_with_config(tls_configuration(settings)?));
    } else if [&settings.ca_file, &settings.cert_file, &settings.key_file].iter().any(|file| file.is_some()) {
        return Err(ConnectionSettingsError::TlsFilesWithoutTls);
    }
    Ok(options)
}

/// The file's bytes without one trailing line end, as editors leave it.
fn read_password(file: &Path) -> Result<Vec<u8>, ConnectionSettingsError> {
    let mut secret =
        std::fs::read(file).map_err(|source| ConnectionSettingsError::Password { path: file.to_owned(), source })?;
    if secret.last() == Some(&b'\n') {
        secret.pop();
        if secret.last() == Some(&b'\r') {
            secret.pop();
        }
    }
    Ok(secret)
}

fn tls_configuration(settings: &SessionSettings) -> Result<TlsConfiguration, ConnectionSettingsError> {
    let own = match (&settings.cert_file, &settings.key_file) {
        (None, None) => None,
        (Some(cert_file), Some(key_file)) => Some((&**cert_file, &**key_file)),
        _ => return Err(ConnectionSettingsError::HalfClientCertificate),
    };
    match &settings.ca_file {
        Some(ca_file) => Ok(TlsConfiguration::from(tls::client(ca_file, own)?)),
        None if own.is_some() => Err(ConnectionSettingsError::ClientCertificateWithoutCa),
        None => TlsConfiguration::try_default_rustls()
            .map_err(|error| ConnectionSettingsError::SystemRoots(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(broker: &str) -> SessionSettings {
        SessionSettings::new(RegionCode::new("350582").unwrap(), broker.parse().unwrap(), "test".to_owned())
    }

    #[test]
    fn names_the_key_and_the_file_that_is_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("empty.pem");
        std::fs::write(&file, "").unwrap();
        let mut bad = settings("mqtts://localhost");
        bad.ca_file = Some(file.clone());
        let told = receiving_options(&bad).err().unwrap().to_string();
        assert_eq!(told, format!("ca_file {}: no PEM certificate in it", file.display()));

        let mut missing = settings("mqtt://localhost");
        missing.username = Some("daemon".to_owned());
        missing.password_file = Some(dir.path().join("absent"));
        assert!(receiving_options(&missing).err().unwrap().to_string().starts_with("password_file "));
    }

    #[test]
    fn a_password_loses_one_line_end_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("password");
        for (written, read) in [("a b\n", "a b"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a ", "a ")] {
            std::fs::write(&file, written).unwrap();
            assert_eq!(read_password(&file).unwrap(), read.as_bytes());
        }
    }

    #[test]
    fn refuses_tls_files_without_tls() {
        let mut odd = settings("mqtt://localhost");
        odd.ca_file = Some("/nowhere".into());
        assert!(matches!(receiving_options(&odd), Err(ConnectionSettingsError::TlsFilesWithoutTls)));
    }
}
