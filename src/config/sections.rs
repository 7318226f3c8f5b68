//! The sections that no single room owns: where the data stand, where the pages are served, the regions, the time zone.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::Document;
use crate::broker::BrokerUrl;
use crate::domain::id::RegionCode;

/// `[store]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// The SQLite file; relative to the configuration file.
    pub path: PathBuf,
}

impl Default for Store {
    fn default() -> Self {
        Self { path: PathBuf::from("liftwatch.db") }
    }
}

/// `[http]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Loopback, unless TLS or a proxy stands before it.
    #[serde(deserialize_with = "socket_address")]
    pub listen: SocketAddr,
    /// PEM; the certificate with its chain, with `tls_key_file`.
    pub tls_cert_file: Option<PathBuf>,
    /// PEM; the certificate's key.
    pub tls_key_file: Option<PathBuf>,
    /// A proxy stands before it, which speaks TLS and sets X-Forwarded-For.
    pub behind_proxy: bool,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            tls_cert_file: None,
            tls_key_file: None,
            behind_proxy: false,
        }
    }
}

/// `[display]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Display {
    /// IANA name; the zone in which pages show times and in which days and years begin.
    pub time_zone: String,
}

/// China has had no daylight saving since 1991, so its offset stands in where a machine has no zone tables.
const CHINA: &str = "Asia/Shanghai";
const CHINA_HOURS: i8 = 8;

impl Default for Display {
    fn default() -> Self {
        Self { time_zone: CHINA.to_owned() }
    }
}

impl Display {
    /// The zone itself; `None` when this machine does not know the name (Debian's package `tzdata` has the tables).
    #[must_use]
    pub fn zone(&self) -> Option<jiff::tz::TimeZone> {
        match jiff::tz::TimeZone::get(&self.time_zone) {
            Ok(zone) => Some(zone),
            Err(_) if self.time_zone == CHINA => Some(jiff::tz::TimeZone::fixed(jiff::tz::offset(CHINA_HOURS))),
            Err(_) => None,
        }
    }
}

/// One `[[region]]`: one MQTT session of its own, with its own client id.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    #[serde(deserialize_with = "region_code")]
    pub code: RegionCode,
    /// What people call it; shown on pages.
    #[serde(default)]
    pub name: String,
    #[serde(deserialize_with = "broker_url")]
    pub broker: BrokerUrl,
    /// Names the persistent session: two clients with one id push each other out. `liftwatch-<code>` by default.
    #[serde(default)]
    pub client_id: String,
    #[serde(default)]
    pub username: Option<String>,
    /// Holds the password alone; a line end after it is not part of it.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// PEM; the system's certificates where it is not given.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// PEM; the client certificate, with `key_file`.
    #[serde(default)]
    pub cert_file: Option<PathBuf>,
    /// PEM; the client certificate's key.
    #[serde(default)]
    pub key_file: Option<PathBuf>,
    /// User of the client that publishes application acks; `username` where it is not given. Needed where the broker
    /// names clients by their user, so that the two clients of this region are two.
    #[serde(default)]
    pub ack_username: Option<String>,
    /// Holds the password of `ack_username`.
    #[serde(default)]
    pub ack_password_file: Option<PathBuf>,
    /// Seconds of quiet after which each side asks whether the other is there (30 to 60 is usual; docs/decisions/0006-mqtt-session.md).
    #[serde(default = "keep_alive_seconds")]
    pub keep_alive_seconds: u16,
    /// How many messages may be under way without an acknowledgement (docs/decisions/0006-mqtt-session.md: 4,096 to 8,192).
    #[serde(default = "receive_maximum")]
    pub receive_maximum: u16,
}

const fn keep_alive_seconds() -> u16 {
    45
}

const fn receive_maximum() -> u16 {
    4096
}

fn socket_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| D::Error::custom("must be an address with a port, such as 127.0.0.1:8080 or [::1]:8080"))
}

fn region_code<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RegionCode, D::Error> {
    RegionCode::new(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

fn broker_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BrokerUrl, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

/// All of them, checked, with every path resolved.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    pub store: Store,
    pub http: Http,
    pub display: Display,
    /// In the order of the file.
    pub regions: Vec<Region>,
}

impl Settings {
    /// Takes these sections out of the document; what is wrong is refused there.
    pub fn read(document: &mut Document) -> Self {
        let mut store: Store = document.section("store");
        if store.path.as_os_str().is_empty() {
            document.refuse("store.path", "names no file");
        }
        store.path = document.resolve(&store.path);
        let http = read_http(document);
        let display: Display = document.section("display");
        if display.zone().is_none() {
            document.refuse("display.time_zone", "no zone of this name on this machine; names are as Asia/Shanghai");
        }
        Self { store, http, display, regions: read_regions(document) }
    }
}

fn read_http(document: &mut Document) -> Http {
    let mut http: Http = document.section("http");
    match (&http.tls_cert_file, &http.tls_key_file) {
        (Some(_), None) => document.refuse("http.tls_cert_file", "needs `tls_key_file` beside it"),
        (None, Some(_)) => document.refuse("http.tls_key_file", "needs `tls_cert_file` beside it"),
        _ => {}
    }
    for (key, file) in [("tls_cert_file", &mut http.tls_cert_file), ("tls_key_file", &mut http.tls_key_file)] {
        let Some(path) = file else { continue };
        *path = document.resolve(path);
        if let Err(message) = check_file(path) {
            document.refuse(&format!("http.{key}"), message);
        }
    }
    if !http.listen.ip().is_loopback() && http.tls_cert_file.is_none() && !http.behind_proxy {
        let message = "must be a loopback address, such as 127.0.0.1:8080: tokens would cross the network for all to read; \
             set tls_cert_file and tls_key_file, or behind_proxy = true if a proxy before it speaks TLS";
        document.refuse("http.listen", message);
    }
    http
}

fn read_regions(document: &mut Document) -> Vec<Region> {
    let mut codes: BTreeMap<RegionCode, usize> = BTreeMap::new();
    let mut clients: BTreeMap<(String, String), RegionCode> = BTreeMap::new();
    let mut regions = Vec::new();
    for (position, mut region) in document.list_at::<Region>("region") {
        if region.client_id.is_empty() {
            region.client_id = format!("liftwatch-{}", region.code);
        }
        if codes.insert(region.code.clone(), position).is_some() {
            let message = format!("{} stands in an earlier [[region]]", region.code);
            document.refuse(&format!("region.{position}.code"), message);
        }
        let session = (region.broker.to_string(), region.client_id.clone());
        if let Some(other) = clients.insert(session, region.code.clone()) {
            let message = format!(
                "{:?} is region {other}'s on the same broker; two sessions with one id push each other out",
                region.client_id
            );
            document.refuse(&format!("region.{position}.client_id"), message);
        }
        check_region(document, position, &region);
        resolve_files(document, position, &mut region);
        regions.push(region);
    }
    regions
}

fn check_region(document: &mut Document, position: usize, region: &Region) {
    let mut refuse = |key: &str, message: &str| document.refuse(&format!("region.{position}.{key}"), message);
    if region.client_id.len() > 64 || region.client_id.chars().any(char::is_control) {
        refuse("client_id", "must be at most 64 bytes without control characters");
    }
    if region.password_file.is_some() && region.username.is_none() {
        refuse("password_file", "needs `username` beside it");
    }
    if region.ack_password_file.is_some() && region.ack_username.is_none() {
        refuse("ack_password_file", "needs `ack_username` beside it");
    }
    if !region.broker.tls {
        let files = [("ca_file", &region.ca_file), ("cert_file", &region.cert_file), ("key_file", &region.key_file)];
        for (key, _) in files.iter().filter(|(_, file)| file.is_some()) {
            refuse(key, "is of no use without TLS; write the broker as mqtts://");
        }
    }
    match (&region.cert_file, &region.key_file) {
        (Some(_), None) => refuse("cert_file", "needs `key_file` beside it"),
        (None, Some(_)) => refuse("key_file", "needs `cert_file` beside it"),
        _ => {}
    }
    if !(5..=600).contains(&region.keep_alive_seconds) {
        refuse("keep_alive_seconds", "must be from 5 to 600");
    }
    if region.receive_maximum < 16 {
        refuse("receive_maximum", "must be from 16 to 65535");
    }
}

fn resolve_files(document: &mut Document, position: usize, region: &mut Region) {
    let files = [
        ("password_file", &mut region.password_file),
        ("ack_password_file", &mut region.ack_password_file),
        ("ca_file", &mut region.ca_file),
        ("cert_file", &mut region.cert_file),
        ("key_file", &mut region.key_file),
    ];
    for (key, file) in files {
        let Some(path) = file else { continue };
        *path = document.resolve(path);
        if let Err(message) = check_file(path) {
            document.refuse(&format!("region.{position}.{key}"), message);
        }
    }
}

/// Looks only whether it is there: who reads it says what is wrong inside.
fn check_file(path: &Path) -> Result<(), String> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_file() => Ok(()),
        Ok(_) => Err(format!("{} is not a file", path.display())),
        Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
    }
}
