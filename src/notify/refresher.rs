//! Shows everything that fires, again and again, to receivers that forget what they are told, such as Alertmanager.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::domain::alert::TransitionKind;
use crate::store::read::{ReadError, Reader};

use super::directory::{Directory, Receiver};
use super::letter::{self, Place};
use super::planner::Policy;
use super::sending;
use super::sink::Answer;

/// Between two looks at whose time has come.
const EVERY: Duration = Duration::from_secs(5);

/// What the refresher is wired to.
pub struct Refresher {
    pub reader: Reader,
    pub directory: Arc<Directory>,
    pub policy: Policy,
    pub clock: Arc<dyn Clock>,
    pub shutdown: watch::Receiver<bool>,
}

/// The last time that a sink was shown what fires.
struct Shown {
    at: Duration,
    running: JoinHandle<()>,
}

impl Refresher {
    /// Shows until shutdown.
    pub async fn run(mut self) {
        let mut shown: HashMap<(String, String), Shown> = HashMap::new();
        loop {
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                _ = self.shutdown.wait_for(|stop| *stop) => return,
            }
            if let Err(error) = self.look(&mut shown).await {
                tracing::warn!(error = %error, "what fires cannot be read; it is shown to nobody for now");
            }
        }
    }

    async fn look(&self, shown: &mut HashMap<(String, String), Shown>) -> Result<(), ReadError> {
        for name in self.reader.receivers_told().await? {
            let Some(receiver) = self.directory.get(&name) else { continue };
            let now = self.clock.monotonic();
            for way in &receiver.ways {
                let Some(every) = way.sink.refresh() else { continue };
                let key = (name.clone(), way.label.clone());
                let rests = |last: &Shown| !last.running.is_finished() || now.saturating_sub(last.at) < every;
                if shown.get(&key).is_some_and(rests) {
                    continue;
                }
                let running = self.show(&name, &way.label, Arc::clone(&receiver)).await?;
                shown.insert(key, Shown { at: now, running });
            }
        }
        Ok(())
    }

    /// In a task of its own: one that hangs keeps no other waiting.
    async fn show(&self, name: &str, label: &str, receiver: Arc<Receiver>) -> Result<JoinHandle<()>, ReadError> {
        let place = Place { public_url: self.policy.public_url.as_deref(), towns: self.policy.town_regions.as_deref() };
        let firing = self.reader.firing_for(name).await?;
        let items: Vec<_> = firing.iter().map(|facts| letter::item(facts, TransitionKind::Fired, place)).collect();
        let (name, label, now) = (name.to_owned(), label.to_owned(), self.clock.now());
        Ok(tokio::spawn(async move {
            let Some(way) = receiver.way(&label) else { return };
            match tokio::time::timeout(sending::LONGEST, way.sink.show(&items, now)).await {
                Ok(Answer::Delivered { .. }) => {}
                Ok(answer) => {
                    tracing::warn!(receiver = name, sink = label, answer = ?answer, "what fires could not be shown");
                }
                Err(_) => tracing::warn!(receiver = name, sink = label, "what fires could not be shown in time"),
            }
        }))
    }
}
