//! One MQTT client that publishes with QoS 1 and a bounded number in flight. Waits for room, never drops.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, Incoming, MqttOptions, PubAckReason, PublishOptions, SessionMode,
    Transport,
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
}

impl Tally {
    /// Handed to the client.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
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
        let options = options(client_id, publisher, settings)?;
        let (client, mut eventloop) = AsyncClient::builder(options).build();
        accepted(&mut eventloop, settings).await?;
        let own = Arc::new(Tally::default());
        let task = tokio::spawn(keep_sending(eventloop, Arc::clone(&tally), Arc::clone(&own), publisher.to_owned()));
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

    fn is_settled(&self) -> bool {
        self.own.acknowledged() + self.own.refused() >= self.own.sent()
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

async fn accepted(eventloop: &mut EventLoop, settings: &PublisherSettings) -> Result<(), PublishError> {
    let mut tries = 0;
    loop {
        match eventloop.poll().await {
            Ok(Event::Incoming(Incoming::ConnAck(_))) => return Ok(()),
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

async fn keep_sending(mut eventloop: EventLoop, tally: Arc<Tally>, own: Arc<Tally>, publisher: String) {
    let mut failing = false;
    loop {
        match eventloop.poll().await {
            Ok(Event::Incoming(Incoming::PubAck(ack))) => {
                failing = false;
                if matches!(ack.reason, PubAckReason::Success | PubAckReason::NoMatchingSubscribers) {
                    tally.acknowledged.fetch_add(1, Ordering::Relaxed);
                    own.acknowledged.fetch_add(1, Ordering::Relaxed);
                } else {
                    tally.refused.fetch_add(1, Ordering::Relaxed);
                    if own.refused.fetch_add(1, Ordering::Relaxed) == 0 {
                        tracing::warn!(publisher, reason = ?ack.reason, "the broker refuses messages of this publisher");
                    }
                }
            }
            Ok(_) => {}
            Err(ConnectionError::RequestsDone | ConnectionError::DisconnectTimeout) => return,
            Err(error) => {
                if !failing {
                    tracing::warn!(publisher, %error, "no connection to the broker; trying again");
                }
                failing = true;
                tokio::time::sleep(Duration::from_millis(fastrand::u64(100..2_000))).await;
            }
        }
    }
}
