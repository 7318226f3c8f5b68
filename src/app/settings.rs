//! The whole configuration: each section is read by the room that owns it, and every fault is told at once.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use crate::checklists::{self, Checklists};
use crate::config::sections::{self, Region};
use crate::config::{ConfigError, Document};
use crate::decode::Decoder;
use crate::decode::settings::MappingSettings;
use crate::detect;
use crate::domain::id::RegionCode;
use crate::hex::sha256_hex;
use crate::http::tls::Certificate;
use crate::ingest::connection::{self, SessionSettings};
use crate::notify;
use crate::pipeline::retention;
use crate::signer;

/// What the daemon is told by its file.
#[derive(Debug, Clone)]
pub struct Settings {
    pub store: PathBuf,
    /// Where HTTP listens, and how.
    pub http: sections::Http,
    pub zone: TimeZone,
    pub sessions: Vec<SessionSettings>,
    /// What people call each region.
    pub names: HashMap<RegionCode, String>,
    pub mappings: Vec<MappingSettings>,
    pub rules: detect::Settings,
    pub notify: notify::settings::Settings,
    pub ledger: signer::Settings,
    /// SHA-256 of the file, in hex: the ledger says by which configuration the city was watched.
    pub digest: String,
    pub checklists: Checklists,
    pub retention: retention::Settings,
}

impl Settings {
    /// Reads a file.
    ///
    /// # Errors
    /// Every fault of the file, each with its line and key.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let mut document = Document::load(path)?;
        let settings = Self::read(&mut document);
        document.finish()?;
        Ok(settings)
    }

    /// Reads a document; faults gather in it.
    #[must_use]
    pub fn read(document: &mut Document) -> Self {
        let sections::Settings { store, http, display, regions } = sections::Settings::read(document);
        let rules: detect::Settings = document.section("rules");
        for (key, problem) in rules.problems() {
            document.refuse(&format!("rules.{key}"), problem);
        }
        let mappings: Vec<MappingSettings> = document.list("mapping");
        let codes: Vec<RegionCode> = regions.iter().map(|region| region.code.clone()).collect();
        if let Err(error) = Decoder::new(&mappings, &codes) {
            document.refuse(&format!("mapping.{}.{}", error.index, error.key), error.problem);
        }
        let notify = notify::settings::Settings::read(document);
        let ledger = signing(document);
        if document.is_clean()
            && let Err(error) = Certificate::configured(&http)
        {
            let key = error.key();
            document.refuse(&format!("http.{key}"), error.to_string());
        }
        let checklists = checklists(document);
        let retention = retention(document, &rules);
        let names = regions.iter().map(|region| (region.code.clone(), region.name.clone())).collect();
        let sessions: Vec<SessionSettings> = regions.into_iter().map(session).collect();
        // A region that could not be read has no place here, so the places of the others are known only without one.
        if document.is_clean() {
            for (position, session) in sessions.iter().enumerate() {
                if let Err(error) = connection::verify(session) {
                    let (key, message) = error.at_key();
                    document.refuse(&format!("region.{position}.{key}"), message);
                }
            }
        }
        Self {
            store: store.path,
            http,
            zone: display.zone().unwrap_or(TimeZone::UTC),
            names,
            sessions,
            mappings,
            rules,
            notify,
            ledger,
            digest: sha256_hex(document.text().as_bytes()),
            checklists,
            retention,
        }
    }
}

/// `[ledger]`, its files found and its key tried.
fn signing(document: &mut Document) -> signer::Settings {
    let mut settings: signer::Settings = document.section("ledger");
    settings.key_file = settings.key_file.map(|file| document.resolve(&file));
    settings.last_file = settings.last_file.map(|file| document.resolve(&file));
    if let Err(error) = settings.key() {
        document.refuse("ledger.key_file", error.to_string());
    }
    if settings.every_seconds == 0 {
        document.refuse("ledger.every_seconds", "must be at least 1; 60 is usual");
    }
    settings
}

/// `[retention]`: what the law and the rules need is not less.
fn retention(document: &mut Document, rules: &detect::Settings) -> retention::Settings {
    let settings: retention::Settings = document.section("retention");
    for (key, problem) in settings.problems(detect::Rules::new(rules, &TimeZone::UTC).lookback()) {
        document.refuse(&format!("retention.{key}"), problem);
    }
    settings
}

/// The built-in lists stand in where an operator's are wrong; what is wrong is told with their own file and line.
fn checklists(document: &mut Document) -> Checklists {
    let settings: checklists::Settings = document.section("maintenance");
    let folder = settings.checklists.map(|folder| document.resolve(&folder));
    Checklists::load(folder.as_deref()).unwrap_or_else(|error| {
        document.refuse("maintenance.checklists", error.to_string());
        Checklists::default()
    })
}

fn session(region: Region) -> SessionSettings {
    SessionSettings {
        username: region.username,
        password_file: region.password_file,
        ca_file: region.ca_file,
        cert_file: region.cert_file,
        key_file: region.key_file,
        receive_maximum: region.receive_maximum,
        keep_alive_seconds: region.keep_alive_seconds,
        ack_username: region.ack_username,
        ack_password_file: region.ack_password_file,
        ..SessionSettings::new(region.code, region.broker, region.client_id)
    }
}
