//! Starts the planner, the dispatcher, the refresher and the signer, and makes the receivers that they know from the configuration.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::{Notify as Bell, mpsc, watch};
use tokio::task::JoinHandle;

use crate::broker::LinkStatus;
use crate::clock::Clock;
use crate::domain::time::MINUTE;
use crate::metrics::Metrics;
use crate::notify::area;
use crate::notify::directory::Directory;
use crate::notify::dispatcher::Dispatcher;
use crate::notify::planner::{Planner, PlannerTask, Policy};
use crate::notify::received::Key;
use crate::notify::refresher::Refresher;
use crate::notify::settings::Notify;
use crate::pipeline::action::Asked;
use crate::pipeline::message::Envelope;
use crate::store::read::Reader;

use super::settings::Settings;
use super::signing;

/// What they are wired to.
pub struct Telling {
    pub reader: Reader,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
    pub door: mpsc::Sender<Asked>,
    /// Rung by the writer when it has committed a change of an alert.
    pub changed: Arc<Bell>,
    /// Keeps the writer until the last report is on disk.
    pub writer: mpsc::Sender<Envelope>,
    pub stopping: watch::Receiver<bool>,
}

impl Telling {
    /// Starts them; `lines` are those of the regions to their brokers. The dispatcher's task ends when what it was sending is over and reported.
    #[must_use]
    pub fn start(self, settings: &Settings, lines: &[Arc<LinkStatus>]) -> JoinHandle<()> {
        signing::start(&settings.ledger, &self.reader, &self.clock, &self.door, &self.stopping);
        let directory =
            Arc::new(Directory::configured(settings.notify.clone(), settings.zone.clone(), links_key(settings)));
        if settings.notify.routes.is_empty() {
            tracing::warn!("no [[route]] is configured: alerts are shown, and nobody is told");
        }
        let policy = policy(settings);
        for line in lines {
            line.ring(Arc::clone(&self.changed));
        }
        let posted = Arc::new(Bell::new());
        let planner = PlannerTask {
            planner: Planner {
                reader: self.reader.clone(),
                directory: Arc::clone(&directory),
                policy: policy.clone(),
                lines: lines.to_vec(),
            },
            clock: Arc::clone(&self.clock),
            door: self.door.clone(),
            changed: self.changed,
            posted: Arc::clone(&posted),
            shutdown: self.stopping.clone(),
        };
        tokio::spawn(planner.run());
        let refresher = Refresher {
            reader: self.reader.clone(),
            directory: Arc::clone(&directory),
            policy,
            clock: Arc::clone(&self.clock),
            shutdown: self.stopping.clone(),
        };
        tokio::spawn(refresher.run());
        let dispatcher = Dispatcher {
            reader: self.reader,
            directory,
            clock: self.clock,
            metrics: self.metrics,
            door: self.door,
            posted,
            writer: self.writer,
            shutdown: self.stopping,
        };
        tokio::spawn(dispatcher.run())
    }
}

fn policy(settings: &Settings) -> Policy {
    let Notify { public_url, operator, heartbeat, checkpoints, town_regions, .. } = settings.notify.notify.clone();
    Policy {
        routes: settings.notify.routes.clone(),
        ladders: settings.notify.ladders.clone(),
        public_url,
        town_regions,
        areas: area::Settings {
            power: settings.rules.area_power.clone(),
            blind: settings.rules.blind_region.clone(),
            silent: settings.rules.silent_unit.clone(),
        },
        operator,
        heartbeat: heartbeat.map(|beat| (beat.receiver, i64::from(beat.every_minutes) * MINUTE)),
        checkpoints: checkpoints.map(|sent| (sent.receiver, i64::from(sent.every_minutes) * MINUTE)),
    }
}

/// What signs the "received" links of messages; `None` where the configuration names no key, or it cannot be read now.
#[must_use]
pub fn links_key(settings: &Settings) -> Option<Key> {
    let refused = |problem: String| {
        tracing::error!(problem, "messages go without their received link: mend [notify] secret_file, and restart");
    };
    let bytes = settings.notify.key().map_err(refused).ok()??;
    Key::new(&bytes).map_err(|error| refused(error.to_string())).ok()
}

/// Where people reach the pages: `[notify] public_url`, or else where this daemon listens.
#[must_use]
pub fn home(settings: &Settings, address: SocketAddr) -> String {
    let public = settings.notify.notify.public_url.as_deref();
    public.map_or_else(|| format!("http://{address}"), |url| url.trim_end_matches('/').to_owned())
}
