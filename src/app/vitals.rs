//! What the daemon says of itself to those who ask by HTTP: its links, its storage, its certificates.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::broker::tls::TlsFileError;
use crate::broker::{LinkStatus, expiry};
use crate::clock::Clock;
use crate::domain::time::Timestamp;
use crate::http::vitals::{Link, Storage, Vitals};
use crate::ingest::connection::SessionSettings;
use crate::store::inspect::free_bytes;
use crate::writer::WriterStatus;

use super::settings::Settings;

/// The running parts.
pub struct Daemon {
    links: Vec<(String, Arc<LinkStatus>)>,
    status: Arc<WriterStatus>,
    clock: Arc<dyn Clock>,
    folder: PathBuf,
    certificates: Vec<(String, Timestamp)>,
}

impl Daemon {
    /// The links are named for people as the settings say.
    #[must_use]
    pub fn new(
        settings: &Settings,
        links: &[Arc<LinkStatus>],
        status: &Arc<WriterStatus>,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let names = &settings.names;
        let named = links.iter().map(|link| (names.get(&link.region).cloned().unwrap_or_default(), Arc::clone(link)));
        let folder = settings.store.parent().filter(|folder| !folder.as_os_str().is_empty());
        Self {
            links: named.collect(),
            status: Arc::clone(status),
            clock: Arc::clone(clock),
            folder: folder.unwrap_or(Path::new(".")).to_owned(),
            certificates: certificates(&settings.sessions).into_iter().collect(),
        }
    }
}

/// The first end of each use. The files are read once, as the sessions read them: a renewed file changes nothing until
/// the next start, and this must not say that it did.
fn certificates(sessions: &[SessionSettings]) -> BTreeMap<String, Timestamp> {
    let mut ends = BTreeMap::new();
    for session in sessions {
        let authorities = session.ca_file.as_deref().map(|file| ("broker_ca", expiry::authorities(file)));
        let own = session.cert_file.as_deref().map(|file| ("broker_client", expiry::own(file)));
        for (what, end) in authorities.into_iter().chain(own) {
            match end {
                Ok(end) => {
                    let first = ends.entry(what.to_owned()).or_insert(end);
                    *first = end.min(*first);
                }
                Err(error) => untold(&error),
            }
        }
    }
    ends
}

fn untold(error: &TlsFileError) {
    tracing::warn!(%error, "until when this certificate holds cannot be told");
}

impl Vitals for Daemon {
    fn links(&self) -> Vec<Link> {
        let now = self.clock.now();
        let link = |(name, link): &(String, Arc<LinkStatus>)| {
            let down = u64::try_from(now - link.since()).unwrap_or(0);
            Link {
                region: link.region.to_string(),
                name: name.clone(),
                down_for: (!link.is_listening()).then(|| Duration::from_millis(down)),
                last_message: link.last_message_at(),
                clock_offset: link.clock_offset(),
            }
        };
        self.links.iter().map(link).collect()
    }

    fn storage(&self) -> Storage {
        Storage {
            fault: self.status.fault(),
            last_commit: self.status.last_commit(),
            free_bytes: free_bytes(&self.folder).ok(),
        }
    }

    fn certificates(&self) -> Vec<(String, Timestamp)> {
        self.certificates.clone()
    }

    fn resident_memory(&self) -> Option<u64> {
        resident(&std::fs::read_to_string("/proc/self/status").ok()?)
    }
}

/// The line `VmRSS:    12345 kB` of Linux, in bytes.
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_what_linux_says() {
        assert_eq!(resident("VmPeak:\t  9 kB\nVmRSS:\t    20480 kB\nRssAnon: 1 kB\n"), Some(20 << 20));
        assert_eq!(resident("VmPeak:\t  9 kB\n"), None);
    }
}
