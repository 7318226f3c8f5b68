//! MQTT: `liftalert/v1/<maintainer>/<unit>` shows what fires at a unit, retained, and is cleared when nothing does. From a
//! client of its own, so that it can never hold up the sessions that receive.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use rumqttc::{
    AsyncClient, Event, EventLoop, Incoming, IncomingPacketSizeLimit, MqttOptions, PublishNotice, PublishNoticeError,
    PublishOptions, PublishProperties, SessionMode, TlsConfiguration, Transport,
};
use serde::{Deserialize, Deserializer};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::board::{Board, Due, EXPIRES};
use crate::broker::{BrokerUrl, tls};
use crate::domain::time::Timestamp;
use crate::notify::fill::{self, Values};
use crate::notify::message::Item;
use crate::notify::secret;
use crate::notify::sink::{Answer, Parcel, Sending, Sink, SinkError};

/// How often everything that fires is held against what the broker has.
const AGAIN: Duration = Duration::from_secs(60);
/// The longest that one message may wait for the broker.
const PATIENCE: Duration = Duration::from_secs(10);
/// The same for everything that fires; the contract allows 15 s.
const SHOWING: Duration = Duration::from_secs(14);
/// Publishes that may wait for the broker: everything that fires in a city, twice.
const ROOM: usize = 16_384;
const IN_FLIGHT: u16 = 256;

/// One `[[receiver.mqtt]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// As in `[[region]]`; one broker serves all firms, so placeholders are not filled in.
    #[serde(deserialize_with = "broker_url")]
    pub broker: BrokerUrl,
    /// Must be no other client's, nor a region's; one that nobody else can have where absent. What a placeholder of the
    /// receiver's name stands for is added to it, since each firm's sink is a client of its own.
    #[serde(default)]
    pub client_id: Option<String>,
    /// Where the topics begin. Two receivers on one broker need two, or each overwrites what the other shows.
    #[serde(default = "prefix")]
    pub prefix: String,
    #[serde(default)]
    pub username: Option<String>,
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// Certificates (PEM) that the broker's must lead to; the system's own where absent.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Our certificate and key (PEM), where the broker asks for them.
    #[serde(default)]
    pub cert_file: Option<PathBuf>,
    #[serde(default)]
    pub key_file: Option<PathBuf>,
}

fn prefix() -> String {
    "liftalert/v1".to_owned()
}

fn broker_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BrokerUrl, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

impl Settings {
    /// What can be said without opening a file.
    #[must_use]
    pub fn problems(&self) -> Vec<SinkError> {
        let mut problems = Vec::new();
        let mut wrong = |key, problem: &str| problems.push(SinkError::new(key, problem));
        let good = |id: &String| !id.is_empty() && id.len() <= 64 && !id.chars().any(char::is_control);
        if self.client_id.as_ref().is_some_and(|id| !good(id)) {
            wrong("client_id", "must be 1 to 64 bytes without control characters");
        }
        let level =
            |level: &str| !level.is_empty() && !level.contains(|c: char| matches!(c, '+' | '#') || c.is_control());
        if self.prefix.starts_with('$') || !self.prefix.split('/').all(level) {
            wrong("prefix", "must be levels of a topic, such as liftalert/v1, without + and #");
        }
        if self.password_file.is_some() && self.username.is_none() {
            wrong("password_file", "needs `username` beside it");
        }
        let files = [("ca_file", &self.ca_file), ("cert_file", &self.cert_file), ("key_file", &self.key_file)];
        for (key, _) in files.iter().filter(|(_, file)| file.is_some() && !self.broker.tls) {
            wrong(key, "is of no use without TLS; write the broker as mqtts://");
        }
        if self.cert_file.is_some() != self.key_file.is_some() {
            wrong("cert_file", "and key_file belong together");
        }
        if self.cert_file.is_some() && self.ca_file.is_none() {
            wrong("cert_file", "needs ca_file beside it: the certificates that the broker's must lead to");
        }
        problems
    }

    /// Gives every path to `place`, which knows where the configuration stands.
    pub fn resolve(&mut self, place: &dyn Fn(&Path) -> PathBuf) {
        let files = [&mut self.password_file, &mut self.ca_file, &mut self.cert_file, &mut self.key_file];
        for file in files.into_iter().flatten() {
            *file = place(file);
        }
    }

    /// Makes the sink: reads its files. The connection is made for the first message, within a runtime.
    ///
    /// # Errors
    /// [`SinkError`] names the key that has to change.
    pub fn connect(&self, values: &Values) -> Result<Mqtt, SinkError> {
        let board = Mutex::new((Board::under(&self.prefix), 0));
        Ok(Mqtt { prefix: self.prefix.clone(), options: self.options(values)?, line: OnceLock::new(), board })
    }

    fn options(&self, values: &Values) -> Result<MqttOptions, SinkError> {
        let mut client_id =
            self.client_id.clone().unwrap_or_else(|| format!("liftwatch-alerts-{:012x}", fastrand::u64(..1 << 48)));
        for value in values.values() {
            client_id = format!("{client_id}-{}", fill::percent(value));
        }
        let mut options = MqttOptions::new(client_id, (self.broker.host.clone(), self.broker.port));
        options.set_keep_alive(30);
        options.set_connect_timeout(PATIENCE);
        // What is under way when the line breaks is told again by us, who know whether it still holds.
        options.set_session_mode(SessionMode::Clean);
        options.set_request_channel_capacity(ROOM);
        options.set_outgoing_inflight_upper_limit(IN_FLIGHT);
        options.set_max_request_batch(256);
        options.set_incoming_packet_size_limit(IncomingPacketSizeLimit::Bytes(1024 * 1024));
        match (&self.username, &self.password_file) {
            (Some(user), Some(file)) => {
                options.set_credentials(user.clone(), secret::read("password_file", file, &Values::new())?);
            }
            (Some(user), None) => {
                options.set_username(user.clone());
            }
            (None, _) => {}
        }
        if self.broker.tls {
            options.set_transport(Transport::tls_with_config(self.tls()?));
        }
        Ok(options)
    }

    fn tls(&self) -> Result<TlsConfiguration, SinkError> {
        let Some(ca_file) = &self.ca_file else {
            return TlsConfiguration::try_default_rustls()
                .map_err(|error| SinkError::new("ca_file", error.to_string()));
        };
        let own = self.cert_file.as_deref().zip(self.key_file.as_deref());
        let config = tls::client(ca_file, own).map_err(|error| SinkError::new(error.key(), error.to_string()))?;
        Ok(TlsConfiguration::from(config))
    }
}

/// The connection, made and kept by a task.
struct Line {
    client: AsyncClient,
    standing: watch::Receiver<Standing>,
    task: JoinHandle<()>,
}

/// How the line stands.
#[derive(Debug, Clone)]
enum Standing {
    /// Why not, in the words of the last failure.
    Down(String),
    /// For the n-th time.
    Up(u64),
}

/// A sink with its client.
pub struct Mqtt {
    prefix: String,
    options: MqttOptions,
    line: OnceLock<Line>,
    /// What the topics show, and to which connection it was told.
    board: Mutex<(Board, u64)>,
}

impl Drop for Mqtt {
    fn drop(&mut self) {
        if let Some(line) = self.line.get() {
            line.task.abort();
        }
    }
}

impl Sink for Mqtt {
    fn kind(&self) -> &'static str {
        "mqtt"
    }

    fn send<'a>(&'a self, parcel: Parcel<'a>) -> Sending<'a> {
        Box::pin(async move {
            let end = Instant::now() + PATIENCE;
            if parcel.message.items.is_empty() {
                return self.say(parcel, end).await;
            }
            self.publish(end, |board| board.note(&parcel.message.items, parcel.now)).await
        })
    }

    fn refresh(&self) -> Option<Duration> {
        Some(AGAIN)
    }

    fn show<'a>(&'a self, firing: &'a [Item], now: Timestamp) -> Sending<'a> {
        Box::pin(async move { self.publish(Instant::now() + SHOWING, |board| board.show(firing, now)).await })
    }
}

impl Mqtt {
    /// A heartbeat, a test, or trouble of liftwatch's own: told once, not retained.
    async fn say(&self, parcel: Parcel<'_>, end: Instant) -> Answer {
        let line = self.line();
        if let Err(answer) = up(line, end).await {
            return answer;
        }
        let payload = serde_json::json!({
            "id": parcel.key,
            "kind": parcel.message.kind,
            "created_at": Timestamp(parcel.message.created_at).to_string(),
            "subject": parcel.text.subject,
            "text": parcel.text.plain,
        });
        let topic = format!("{}/_liftwatch/{}", self.prefix, parcel.message.kind);
        match line.client.try_publish_tracked(topic, payload.to_string(), PublishOptions::at_least_once()) {
            Ok(notice) => outcome(timeout_at(end, notice.wait_completion_async()).await.ok()),
            Err(error) => retry(error.to_string()),
        }
    }

    /// Publishes what the board says is due, and says the worst of what came of it.
    async fn publish(&self, end: Instant, due: impl FnOnce(&mut Board) -> Vec<Due>) -> Answer {
        let line = self.line();
        let epoch = match up(line, end).await {
            Ok(epoch) => epoch,
            Err(answer) => return answer,
        };
        // Asked and queued under one lock, so that two messages about one unit leave in the order of the board.
        let queued: Vec<(Due, Result<PublishNotice, String>)> = {
            let mut board = self.board();
            if board.1 != epoch {
                board.0.forget_told();
                board.1 = epoch;
            }
            due(&mut board.0).into_iter().map(|due| (due.clone(), queue(&line.client, due))).collect()
        };
        let mut worst = Answer::Delivered { status: None };
        for (due, notice) in queued {
            let answer = match notice {
                Ok(notice) => outcome(timeout_at(end, notice.wait_completion_async()).await.ok()),
                Err(detail) => retry(detail),
            };
            if !matches!(answer, Answer::Delivered { .. }) {
                self.board().0.not_taken(&due);
                worst = answer;
            }
        }
        worst
    }

    fn board(&self) -> MutexGuard<'_, (Board, u64)> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn line(&self) -> &Line {
        self.line.get_or_init(|| {
            let (client, eventloop) = AsyncClient::builder(self.options.clone()).build();
            let (says, standing) = watch::channel(Standing::Down("no connection yet".to_owned()));
            Line { client, standing, task: tokio::spawn(keep_connected(eventloop, says)) }
        })
    }
}

fn queue(client: &AsyncClient, due: Due) -> Result<PublishNotice, String> {
    let properties = PublishProperties { message_expiry_interval: Some(EXPIRES), ..PublishProperties::default() };
    let options = match due.payload {
        Some(_) => PublishOptions::at_least_once().retained().properties(properties),
        None => PublishOptions::at_least_once().retained(),
    };
    client.try_publish_tracked(due.topic, due.payload.unwrap_or_default(), options).map_err(|error| error.to_string())
}

/// Waits for the connection; gives its number.
async fn up(line: &Line, end: Instant) -> Result<u64, Answer> {
    let mut standing = line.standing.clone();
    let found = timeout_at(end, standing.wait_for(|standing| matches!(standing, Standing::Up(_)))).await;
    if let Ok(Ok(found)) = found
        && let Standing::Up(epoch) = &*found
    {
        return Ok(*epoch);
    }
    let detail = match &*line.standing.borrow() {
        Standing::Down(reason) => reason.clone(),
        Standing::Up(_) => "the connection does not last".to_owned(),
    };
    Err(retry(detail))
}

/// `None` is no word from the broker in time.
fn outcome(told: Option<Result<(), PublishNoticeError>>) -> Answer {
    match told {
        Some(Ok(())) => Answer::Delivered { status: None },
        Some(Err(PublishNoticeError::V5PubAck(reason))) => {
            Answer::Refused { status: None, detail: format!("the broker refused it: {reason:?}") }
        }
        Some(Err(error)) => retry(error.to_string()),
        None => retry("the broker has not confirmed it in time".to_owned()),
    }
}

fn retry(detail: String) -> Answer {
    Answer::Retry { status: None, detail, after: None }
}

async fn keep_connected(mut eventloop: EventLoop, says: watch::Sender<Standing>) {
    let mut connects = 0;
    loop {
        match eventloop.poll().await {
            Ok(Event::Incoming(Incoming::ConnAck(_))) => {
                connects += 1;
                says.send_replace(Standing::Up(connects));
            }
            Ok(_) => {}
            Err(error) => {
                says.send_replace(Standing::Down(format!("no connection to the broker: {error}")));
                // With jitter, so that many do not come back as one.
                tokio::time::sleep(Duration::from_millis(fastrand::u64(100..=2_000))).await;
            }
        }
    }
}
