//! One MQTT client that publishes with QoS 1 and a bounded number in flight, and may listen to one filter. Waits for room,
//! never drops; what is under way when the connection breaks is lost with it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, Incoming, MqttOptions, PubAck, PubAckReason, PublishOptions, QoS,
    SessionMode, Transport,
};
use tokio::task::JoinHandle;

/// Messages sent and not yet acknowledged; the same number again may wait.
const IN_FLIGHT: u16 = 1_000;

/// Tries to reach the broker before giving up at start.
const FIRST_TRIES: u32 = 5;

/// How to reach the broker as a publisher.
#[derive(Debug, Clone)]
pub struct PublisherSettings {
    pub host: String,
    pub port: u16,
    pub tls: bool,
    /// `None`: anonymous, or, where a password is given, each client as the publisher whose messages it sends.
    pub username: Option<String>,
    pub password_file: Option<PathBuf>,
    /// Certificates (PEM) that the broker's must lead to; the system's own where absent.
    pub ca_file: Option<PathBuf>,
}

/// Counts of what was published.
#[derive(Debug, Default)]
pub struct Tally {
    sent: AtomicU64,
    acknowledged: AtomicU64,
    refused: AtomicU64,
    repeated: AtomicU64,
    lost: AtomicU64,
}

impl Tally {
    /// Handed to the client.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Of those, sent once more.
    #[must_use]
    pub fn repeated(&self) -> u64 {
        self.repeated.load(Ordering::Relaxed)
    }

    /// Taken over by the broker.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Refused by the broker, which has rules about who may write where.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Under way when a connection broke.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Handed to the client, and nothing is known of it yet.
    fn under_way(&self) -> u64 {
        self.sent().saturating_sub(self.acknowledged() + self.refused() + self.lost())
    }
}

/// What is done with a message that is heard: its topic, its payload.
pub type Hear = dyn Fn(&[u8], &[u8]) + Send;

/// What a client listens to.
pub struct Ear {
    pub filter: String,
    /// Called for each message by the task that holds the connection: must not wait.
    pub heard: Box<Hear>,
    /// Called when another connection is there and listens again: must not wait.
    pub reconnected: Arc<dyn Fn() + Send + Sync>,
}

/// Why messages cannot be published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("{key} {}: {source}", path.display())]
    Unreadable { key: &'static str, path: PathBuf, source: std::io::Error },
    #[error("the system's certificates cannot be read ({0}); name the broker's in a CA file")]
    Tls(String),
    #[error("broker at {host}, port {port}: {reason}")]
    Unreachable { host: String, port: u16, reason: String },
    #[error("topic or payload that MQTT cannot carry: {0}")]
    Unsendable(String),
}

/// A connected client.
pub struct Publisher {
    client: AsyncClient,
    task: JoinHandle<()>,
    tally: Arc<Tally>,
    own: Arc<Tally>,
}

impl Publisher {
    /// Connects as `client_id`; returns when the broker has accepted. Counts into `tally`, which others may share.
    ///
    /// # Errors
    /// [`PublishError`] when a file cannot be read or the broker does not accept within a few tries.
    pub async fn connect(
        client_id: &str,
        publisher: &str,
        settings: &PublisherSettings,
        tally: Arc<Tally>,
    ) -> Result<Self, PublishError> {
        Self::connect_with(client_id, publisher, settings, tally, None).await
    }

    /// As [`Self::connect`], and listens.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub async fn connect_with(
        client_id: &str,
        publisher: &str,
        settings: &PublisherSettings,
        tally: Arc<Tally>,
        ear: Option<Ear>,
    ) -> Result<Self, PublishError> {
        let options = options(client_id, publisher, settings)?;
        let (client, mut eventloop) = AsyncClient::builder(options).build();
        let own = Arc::new(Tally::default());
        let (publisher, counts) = (publisher.to_owned(), [Arc::clone(&tally), Arc::clone(&own)]);
        let mut line = Line { publisher, client: client.clone(), ear, counts, connected: true, failing: false };
        line.begin(&mut eventloop, settings).await?;
        let task = tokio::spawn(line.keep_sending(eventloop));
        Ok(Self { client, task, tally, own })
    }

    /// Queues one message; waits while the queue is full.
    ///
    /// # Errors
    /// [`PublishError::Unsendable`] for a topic that is none.
    pub async fn publish(&self, topic: String, payload: Vec<u8>) -> Result<(), PublishError> {
        let queued = self.client.publish(topic, payload, PublishOptions::at_least_once()).await;
        queued.map_err(|error| PublishError::Unsendable(error.to_string()))?;
        self.tally.sent.fetch_add(1, Ordering::Relaxed);
        self.own.sent.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Waits up to `within` for the broker to take what was sent, then disconnects. False when some were left.
    pub async fn finish(mut self, within: Duration) -> bool {
        let end = tokio::time::Instant::now() + within;
        while !self.is_settled() && tokio::time::Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let settled = self.is_settled();
        if self.client.try_disconnect_with_timeout(Duration::from_secs(1)).is_ok() {
            let _left = tokio::time::timeout(Duration::from_secs(1), &mut self.task).await;
        }
        settled
    }

    /// As [`Self::publish`], for a message that was sent before.
    ///
    /// # Errors
    /// As [`Self::publish`].
    pub async fn repeat(&self, topic: String, payload: Vec<u8>) -> Result<(), PublishError> {
        self.publish(topic, payload).await?;
        self.tally.repeated.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn is_settled(&self) -> bool {
        self.own.under_way() == 0
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn options(client_id: &str, publisher: &str, settings: &PublisherSettings) -> Result<MqttOptions, PublishError> {
    let mut options = MqttOptions::new(client_id, (settings.host.clone(), settings.port));
    options.set_keep_alive(30);
    options.set_session_mode(SessionMode::Clean);
    options.set_outgoing_inflight_upper_limit(IN_FLIGHT);
    options.set_request_channel_capacity(usize::from(IN_FLIGHT));
    options.set_max_request_batch(256);
    let read = |key, path: &PathBuf| {
        std::fs::read(path).map_err(|source| PublishError::Unreadable { key, path: path.clone(), source })
    };
    if let Some(file) = &settings.password_file {
        let mut password = read("password file", file)?;
        if password.last() == Some(&b'\n') {
            password.pop();
        }
        let user = settings.username.clone().unwrap_or_else(|| publisher.to_owned());
        options.set_credentials(user, password);
    } else if let Some(user) = &settings.username {
        options.set_username(user.clone());
    }
    if settings.tls {
        let transport = match &settings.ca_file {
            Some(file) => Transport::tls(read("CA file", file)?, None, None),
            None => Transport::try_tls_with_default_config().map_err(|error| PublishError::Tls(error.to_string()))?,
        };
        options.set_transport(transport);
    }
    Ok(options)
}

/// The side of the connection.
struct Line {
    publisher: String,
    client: AsyncClient,
    ear: Option<Ear>,
    /// Everybody's, and this client's own.
    counts: [Arc<Tally>; 2],
    connected: bool,
    failing: bool,
}

impl Line {
    /// Returns when the broker has accepted the client and, where it listens, its subscription.
    async fn begin(&mut self, eventloop: &mut EventLoop, settings: &PublisherSettings) -> Result<(), PublishError> {
        let mut tries = 0;
        loop {
            match eventloop.poll().await {
                Ok(Event::Incoming(Incoming::ConnAck(_))) => match &self.ear {
                    None => return Ok(()),
                    // Nothing else is queued yet, so there is room.
                    Some(ear) => drop(self.client.try_subscribe(ear.filter.clone(), QoS::AtLeastOnce)),
                },
                Ok(Event::Incoming(Incoming::SubAck(_))) => return Ok(()),
                Ok(_) => {}
                Err(error) => {
                    tries += 1;
                    if tries >= FIRST_TRIES {
                        let (host, port) = (settings.host.clone(), settings.port);
                        return Err(PublishError::Unreachable { host, port, reason: error.to_string() });
                    }
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
    }

    async fn keep_sending(mut self, mut eventloop: EventLoop) {
        loop {
            match eventloop.poll().await {
                Ok(Event::Incoming(Incoming::PubAck(ack))) => self.acknowledged(&ack),
                Ok(Event::Incoming(Incoming::ConnAck(_))) => self.connected_again(),
                Ok(Event::Incoming(Incoming::Publish(message))) => {
                    if let Some(ear) = &self.ear {
                        (ear.heard)(&message.topic, &message.payload);
                    }
                }
                Ok(_) => {}
                Err(ConnectionError::RequestsDone | ConnectionError::DisconnectTimeout) => return,
                Err(error) => {
                    if !self.failing {
                        tracing::warn!(publisher = self.publisher, %error, "no connection to the broker; trying again");
                    }
                    self.failing = true;
                    self.disconnected();
                    tokio::time::sleep(Duration::from_millis(fastrand::u64(100..2_000))).await;
                }
            }
        }
    }

    fn acknowledged(&mut self, ack: &PubAck) {
        self.failing = false;
        if matches!(ack.reason, PubAckReason::Success | PubAckReason::NoMatchingSubscribers) {
            for tally in &self.counts {
                tally.acknowledged.fetch_add(1, Ordering::Relaxed);
            }
            return;
        }
        let [all, own] = &self.counts;
        all.refused.fetch_add(1, Ordering::Relaxed);
        if own.refused.fetch_add(1, Ordering::Relaxed) == 0 {
            let (publisher, reason) = (&self.publisher, ack.reason);
            tracing::warn!(publisher, ?reason, "the broker refuses messages of this publisher");
        }
    }

    /// The session is clean: what the broker has not acknowledged goes with the connection.
    fn disconnected(&mut self) {
        if std::mem::take(&mut self.connected) {
            let lost = self.counts[1].under_way();
            for tally in &self.counts {
                tally.lost.fetch_add(lost, Ordering::Relaxed);
            }
        }
    }

    fn connected_again(&mut self) {
        self.connected = true;
        tracing::info!(publisher = self.publisher, lost = self.counts[1].lost(), "connected to the broker again");
        let Some(ear) = &self.ear else { return };
        let (client, filter, reconnected) = (self.client.clone(), ear.filter.clone(), Arc::clone(&ear.reconnected));
        // Waits for room in the queue, which only the task that we are in makes.
        tokio::spawn(async move {
            if client.subscribe(filter, QoS::AtLeastOnce).await.is_ok() {
                reconnected();
            }
        });
    }
}
