//! Publishes application acks from a client of its own, so that they can never hold up the session that receives.
//! Of each boot only the latest ack is sent: it says what those before it said.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rumqttc::{AsyncClient, ConnectionError, Event, EventLoop, Incoming, MqttOptions, PublishOptions};

use tokio::sync::Notify;
use tokio::task::JoinHandle;

use smol_str::SmolStr;

use crate::broker::LinkStatus;
use crate::domain::id::UnitId;
use crate::pipeline::message::ApplicationAck;

/// How long acks are gathered: a unit that tells many events is answered once for all of them.
const GATHER: Duration = Duration::from_millis(200);

/// Acks that leave in a second at most, on average: when a city's backlog is taken, each unit's next ack says what a dozen
/// would have said, and broker and daemon are free for the backlog.
const PER_SECOND: usize = 2_000;

/// Boots whose ack waits for the broker: several for each unit of a large city. Further ones are dropped.
const WAITING: usize = 131_072;

/// The publishing side; its tasks end when this is dropped.
pub struct AckPublisher {
    client: AsyncClient,
    status: Arc<LinkStatus>,
    waiting: Arc<Waiting>,
    connection: JoinHandle<()>,
    sending: JoinHandle<()>,
}

/// The latest ack of each boot that the broker does not have yet.
#[derive(Default)]
struct Waiting {
    latest: Mutex<HashMap<(UnitId, SmolStr), ApplicationAck>>,
    news: Notify,
}

impl Waiting {
    fn latest(&self) -> MutexGuard<'_, HashMap<(UnitId, SmolStr), ApplicationAck>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keys(&self) -> Vec<(UnitId, SmolStr)> {
        self.latest().keys().cloned().collect()
    }
}

impl AckPublisher {
    /// Starts the task that holds the connection, and the one that sends.
    #[must_use]
    pub fn start(options: MqttOptions, status: Arc<LinkStatus>) -> Self {
        let (client, eventloop) = AsyncClient::builder(options).build();
        let connection = tokio::spawn(keep_connected(eventloop, Arc::clone(&status)));
        let waiting = Arc::new(Waiting::default());
        let sending = tokio::spawn(send(client.clone(), Arc::clone(&waiting)));
        Self { client, status, waiting, connection, sending }
    }

    /// Has one ack sent on `liftack/v1/<publisher>/<unit>` soon; drops and counts it where there is no room.
    pub fn publish(&self, ack: &ApplicationAck) {
        let key = (ack.unit.clone(), ack.boot.clone());
        let mut latest = self.waiting.latest();
        if latest.len() < WAITING || latest.contains_key(&key) {
            latest.insert(key, ack.clone());
            self.waiting.news.notify_one();
            return;
        }
        drop(latest);
        let dropped = self.status.note_application_ack_dropped();
        // Each power of two: told soon, and never a flood.
        if dropped.is_power_of_two() {
            tracing::warn!(region = %self.status.region, dropped, "application acks dropped: the broker does not take them");
        }
    }

    /// Gives waiting acks up to `within` to leave, then disconnects.
    pub async fn finish(mut self, within: Duration) {
        self.sending.abort();
        let goodbye = async {
            send_all(&self.client, &self.waiting).await;
            self.client.try_disconnect_with_timeout(within).is_ok() && (&mut self.connection).await.is_ok()
        };
        if tokio::time::timeout(within, goodbye).await != Ok(true) {
            tracing::debug!(region = %self.status.region, "application acks left unsent at shutdown");
        }
    }
}

impl Drop for AckPublisher {
    fn drop(&mut self) {
        self.sending.abort();
        self.connection.abort();
    }
}

async fn send(client: AsyncClient, waiting: Arc<Waiting>) {
    let mut pause = GATHER;
    loop {
        waiting.news.notified().await;
        tokio::time::sleep(pause).await;
        let sent = send_all(&client, &waiting).await;
        pause = GATHER.max(Duration::from_secs_f64(sent as f64 / PER_SECOND as f64));
    }
}

/// Hands everything that waits to the connection, as fast as it takes it. How many that were.
async fn send_all(client: &AsyncClient, waiting: &Waiting) -> usize {
    let keys = waiting.keys();
    let count = keys.len();
    for key in keys {
        // The latest of this moment: another may have taken its place since.
        let Some(ack) = waiting.latest().remove(&key) else { continue };
        let topic = format!("liftack/v1/{}/{}", ack.publisher, ack.unit);
        let payload = serde_json::json!({ "boot": ack.boot, "first": ack.first, "seq": ack.seq }).to_string();
        if client.publish(topic, payload, PublishOptions::at_least_once()).await.is_err() {
            // The connection is given up, which has been said where it happened.
            waiting.latest().clear();
            break;
        }
    }
    count
}

async fn keep_connected(mut eventloop: EventLoop, status: Arc<LinkStatus>) {
    let mut failing = false;
    loop {
        match eventloop.poll().await {
            Ok(Event::Incoming(Incoming::ConnAck(_))) => {
                failing = false;
                eventloop.options.clear_session_store();
            }
            // It subscribes to nothing, so what comes was meant for the session.
            Ok(Event::Incoming(Incoming::Publish(_))) => {
                tracing::error!(
                    region = %status.region,
                    "the broker takes the client that publishes acks for the session that receives, as it names clients by \
                     their user: set ack_username to another user, or application_ack to false. No acks until then"
                );
                return;
            }
            Ok(_) => {}
            Err(ConnectionError::RequestsDone | ConnectionError::DisconnectTimeout) => return,
            Err(error) => {
                if !failing {
                    tracing::warn!(region = %status.region, %error, "no connection for application acks; trying again");
                }
                failing = true;
                tokio::time::sleep(super::connection::retry_delay()).await;
            }
        }
    }
}
