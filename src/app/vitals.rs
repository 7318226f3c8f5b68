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
}
