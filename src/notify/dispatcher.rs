//! Sends what is due: claims as much as each receiver has room for, and reports how it went, both in one commit a round.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};

use crate::clock::Clock;
use crate::domain::time::Timestamp;
use crate::metrics::Metrics;
use crate::pipeline::action::{Action, Asked, Done};
use crate::pipeline::message::Envelope;
use crate::store::deliveries::{Claimed, Next, Reported, Room};
use crate::store::read::{ReadError, Reader};

use super::directory::Directory;
use super::door::{self, Unanswered};
use super::lanes::{Key, Lanes, Offer};
use super::sending;

/// It looks at least so often.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// Between two tries while the store takes no writes or gives no answer.
const RETRY: Duration = Duration::from_secs(1);

/// Tries that run when the daemon is told to stop get this long; what is left is sent after the next start, under the
/// same key.
const GRACE: Duration = Duration::from_secs(5);

/// A try has ended.
struct Ended {
    lane: Key,
    deliveries: usize,
    reported: Vec<Reported>,
}

/// What the dispatcher is wired to.
pub struct Dispatcher {
    pub reader: Reader,
    pub directory: Arc<Directory>,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
    pub door: mpsc::Sender<Asked>,
    /// Rung when there is something to send.
    pub posted: Arc<Notify>,
    /// Held until the last report is on disk: the writer ends when nobody can give it messages any more.
    pub writer: mpsc::Sender<Envelope>,
    pub shutdown: watch::Receiver<bool>,
}

/// What a round has to do.
struct Round {
    rooms: Vec<Room>,
    /// Lanes of which all that is claimed goes in one message.
    folded: Vec<Key>,
    /// How long to wait for the next, if nothing happens before.
    sleep: Duration,
}

impl Dispatcher {
    /// Sends until shutdown, then lets what runs end, for at most five seconds.
    pub async fn run(mut self) {
        let (ended, mut results) = mpsc::unbounded_channel();
        let mut lanes = Lanes::default();
        let mut reported: Vec<Reported> = Vec::new();
        let mut deadline = None;
        loop {
            let stopping = *self.shutdown.borrow();
            if stopping {
                let end = *deadline.get_or_insert_with(|| self.clock.monotonic() + GRACE);
                let over = self.clock.monotonic() >= end;
                if over || (lanes.is_idle() && reported.is_empty()) {
                    break;
                }
            }
            while let Ok(end) = results.try_recv() {
                settle(&mut lanes, &mut reported, end);
            }
            let now = self.clock.now();
            let round = if stopping { Ok(Round::nothing()) } else { self.round(&mut lanes, now).await };
            let Ok(round) = round.inspect_err(|error| {
                tracing::warn!(error = %error, "what is to be sent cannot be read; it is tried again");
            }) else {
                tokio::time::sleep(RETRY).await;
                continue;
            };
            if !(reported.is_empty() && round.rooms.is_empty()) {
                let action = Action::Deliver { reported: reported.clone(), rooms: round.rooms };
                match door::ask(&self.door, action).await {
                    Ok(Done::Claimed(claimed)) => {
                        self.account(&reported);
                        reported.clear();
                        self.start(claimed, &round.folded, &mut lanes, &ended);
                    }
                    // The writer says what is wrong. What was sent stays to be reported.
                    Ok(_) | Err(Unanswered::NotNow(_)) => tokio::time::sleep(RETRY).await,
                    Err(Unanswered::Gone) => break,
                }
            }
            tokio::select! {
                Some(end) = results.recv() => settle(&mut lanes, &mut reported, end),
                () = self.posted.notified() => {}
                () = tokio::time::sleep(round.sleep) => {}
                _ = self.shutdown.wait_for(|stop| *stop), if !stopping => {}
            }
        }
        drop(self.writer);
    }

    /// For which lanes there is something to send, and room.
    async fn round(&self, lanes: &mut Lanes, now: Timestamp) -> Result<Round, ReadError> {
        let mut round = Round::nothing();
        let clock = self.clock.monotonic();
        for row in self.reader.lanes_due(now.0).await? {
            if row.due_at > now.0 {
                let until = Duration::from_millis(u64::try_from(row.due_at - now.0).unwrap_or(0));
                round.sleep = round.sleep.min(until);
                continue;
            }
            let limit = self.directory.get(&row.receiver).and_then(|known| known.way(&row.sink)?.sink.limit());
            let key = (row.receiver, row.sink);
            let (deliveries, folded) = match lanes.offer(&key, limit, clock) {
                Offer::Single(deliveries) => (deliveries, false),
                Offer::Folded(deliveries) => {
                    round.folded.push(key.clone());
                    (deliveries, true)
                }
                Offer::Wait(wait) => {
                    round.sleep = wait.map_or(round.sleep, |wait| round.sleep.min(wait));
                    continue;
                }
            };
            round.rooms.push(Room { receiver: key.0, sink: key.1, deliveries, folded });
        }
        Ok(round)
    }

    /// Starts a try for each delivery, or one for all of a lane that is folded.
    fn start(&self, claimed: Vec<Claimed>, folded: &[Key], lanes: &mut Lanes, ended: &mpsc::UnboundedSender<Ended>) {
        let mut loads: Vec<(Key, Vec<Claimed>)> = Vec::new();
        let mut together: HashMap<Key, Vec<Claimed>> = HashMap::new();
        for delivery in claimed {
            let key = (delivery.receiver.clone(), delivery.sink.clone());
            if folded.contains(&key) {
                together.entry(key).or_default().push(delivery);
            } else {
                loads.push((key, vec![delivery]));
            }
        }
        loads.extend(together);
        for (lane, load) in loads {
            let deliveries = load.len();
            let gate = lanes.claimed(&lane, deliveries, 1, self.clock.monotonic());
            let (directory, clock, ended) = (Arc::clone(&self.directory), Arc::clone(&self.clock), ended.clone());
            tokio::spawn(async move {
                let _turn = gate.acquire().await;
                let reported = sending::send(load, directory, clock).await;
                // Nobody listens any more when the daemon has stopped.
                drop(ended.send(Ended { lane, deliveries, reported }));
            });
        }
    }

    /// Counts and logs tries that are on disk.
    fn account(&self, reported: &[Reported]) {
        for tried in reported {
            let sink = tried.sink.rsplit_once('-').map_or(tried.sink.as_str(), |(kind, _)| kind);
            self.metrics.delivery(sink, tried.outcome.as_str());
            let Reported { delivery, receiver, sink, detail, status, .. } = tried;
            match tried.next {
                Next::Delivered => {}
                Next::Again(at) => {
                    tracing::info!(delivery.id = delivery, receiver, sink, status, detail, again_at = %at, "not delivered yet");
                }
                Next::Dead => {
                    tracing::error!(
                        delivery.id = delivery,
                        receiver,
                        sink,
                        status,
                        detail,
                        "a message was given up; see /api/v1/deliveries?state=dead"
                    );
                }
            }
        }
    }
}

impl Round {
    fn nothing() -> Self {
        Self { rooms: Vec::new(), folded: Vec::new(), sleep: LONGEST_SLEEP }
    }
}

fn settle(lanes: &mut Lanes, reported: &mut Vec<Reported>, end: Ended) {
    lanes.ended(&end.lane, end.deliveries);
    reported.extend(end.reported);
}
