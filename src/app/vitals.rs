//! What the daemon says of itself to those who ask by HTTP: its links and its storage.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::broker::LinkStatus;
use crate::clock::Clock;
use crate::domain::id::RegionCode;
use crate::http::vitals::{Link, Storage, Vitals};
use crate::writer::WriterStatus;

/// The running parts.
pub struct Daemon {
    links: Vec<(String, Arc<LinkStatus>)>,
    status: Arc<WriterStatus>,
    clock: Arc<dyn Clock>,
}

impl Daemon {
    /// `names` gives regions their names for people.
    #[must_use]
    pub fn new(
        names: &HashMap<RegionCode, String>,
        links: &[Arc<LinkStatus>],
        status: &Arc<WriterStatus>,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let named = links.iter().map(|link| (names.get(&link.region).cloned().unwrap_or_default(), Arc::clone(link)));
        Self { links: named.collect(), status: Arc::clone(status), clock: Arc::clone(clock) }
    }
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
            }
        };
        self.links.iter().map(link).collect()
    }

    fn storage(&self) -> Storage {
        Storage { fault: self.status.fault(), last_commit: self.status.last_commit() }
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
