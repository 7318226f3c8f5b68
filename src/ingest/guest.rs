//! A client that tries a broker and is thrown away: a region's login under a name of its own. It reads no session but its
//! own, and leaves none behind.

use std::time::Duration;

use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, DisconnectProperties, DisconnectReasonCode, Event, EventLoop,
    Incoming, MqttOptions, Publish, PublishNotice, PublishNoticeError, PublishOptions, PublishProperties, QoS,
    RetainForwardRule, SessionMode, SubscribeFilterInput, SubscribeReasonCode,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{timeout, timeout_at};

use super::connection::{ConnectionSettingsError, SessionSettings, ack_options, receiving_options};

/// The longest wait for one answer of the broker.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Packets between the connection and its reader, and what is to be published; when the first is full, the guest stops
/// reading.
const ROOM: usize = 4_096;

/// Seconds after which the broker may forget a guest's session, should we be killed before we remove it.
const SESSION_SECONDS: u32 = 600;

/// Seconds after which the broker may forget what a guest published.
const MESSAGE_SECONDS: u32 = 120;

/// With which of a region's users a guest comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    /// That of the session that receives.
    Session,
    /// That of the client that publishes application acks; the same user where none is named for it.
    Acks,
}

/// Why a guest got no further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GuestError {
    /// The broker knows the login and does not want it, or does not know it.
    #[error("the broker refuses the login ({0})")]
    Login(String),
    /// No connection, or it broke.
    #[error("{0}")]
    Line(String),
    /// Connected, and an answer did not come.
    #[error("the broker gave no answer within {} s", PATIENCE.as_secs())]
    Silent,
    /// A file of the configuration.
    #[error("{0}")]
    Settings(String),
}

impl From<ConnectionSettingsError> for GuestError {
    fn from(error: ConnectionSettingsError) -> Self {
        Self::Settings(error.to_string())
    }
}

/// What the broker says of itself when it accepts a client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Welcome {
    /// It had a session under this client's name.
    pub session_present: bool,
    /// Seconds that it keeps a session; `None` is as long as was asked for.
    pub session_seconds: Option<u32>,
    /// The largest packet that it takes; `None` is no limit that it tells of.
    pub packet_bytes: Option<u32>,
}

/// How the broker answered a publish or a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    Taken,
    /// The reason code, in the library's word.
    Refused(String),
}

/// A connected guest. Dropped without [`Guest::leave`], it is gone at once and its session stays for ten minutes.
pub struct Guest {
    client: AsyncClient,
    packets: mpsc::Receiver<Result<Incoming, GuestError>>,
    task: JoinHandle<()>,
    pub welcome: Welcome,
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Guest {
    /// Comes exactly as the region's own client does, but for its name: a broker that takes the two for one shows what it
    /// kept, and loses nothing of it.
    ///
    /// # Errors
    /// [`GuestError`].
    pub async fn as_persistent(settings: &SessionSettings, login: Login, name: &str) -> Result<Self, GuestError> {
        Self::connect(options(settings, login, name)?).await
    }

    /// Comes with a session that the broker keeps while the guest is away, and a window of this many messages.
    ///
    /// # Errors
    /// [`GuestError`].
    pub async fn with_session(settings: &SessionSettings, name: &str, window: u16) -> Result<Self, GuestError> {
        let mut options = options(settings, Login::Session, name)?;
        options.set_session_expiry_interval(Some(SESSION_SECONDS));
        options.set_receive_maximum(Some(window));
        Self::connect(options).await
    }

    /// Comes with nothing that outlives the connection. Only where the broker is known to name clients by their ids: it
    /// would otherwise wipe the session of the region.
    ///
    /// # Errors
    /// [`GuestError`].
    pub async fn passing(settings: &SessionSettings, login: Login, name: &str) -> Result<Self, GuestError> {
        let mut options = options(settings, login, name)?;
        options.set_session_mode(SessionMode::Clean);
        Self::connect(options).await
    }

    async fn connect(options: MqttOptions) -> Result<Self, GuestError> {
        let (client, eventloop) = AsyncClient::builder(options).build();
        let (out, mut packets) = mpsc::channel(ROOM);
        let task = tokio::spawn(read(eventloop, out));
        match timeout(PATIENCE, packets.recv()).await {
            Ok(Some(Ok(Incoming::ConnAck(answer)))) => {
                let properties = answer.properties.as_ref();
                let welcome = Welcome {
                    session_present: answer.session_present,
                    session_seconds: properties.and_then(|told| told.session_expiry_interval),
                    packet_bytes: properties.and_then(|told| told.max_packet_size),
                };
                Ok(Self { client, packets, task, welcome })
            }
            Ok(Some(Err(error))) => Err(error),
            _ => {
                task.abort();
                Err(GuestError::Silent)
            }
        }
    }

    /// Subscribes to these filters and gives the answer to each.
    ///
    /// # Errors
    /// [`GuestError`].
    pub async fn subscribe(&mut self, filters: &[String], qos: QoS) -> Result<Vec<Answered>, GuestError> {
        let input = filters.iter().map(|filter| {
            SubscribeFilterInput::new(filter.clone(), qos)
                .retain_forward_rule(RetainForwardRule::OnEverySubscribe)
                .preserve_retain(true)
        });
        self.client.try_subscribe_many(input).map_err(|error| GuestError::Line(error.to_string()))?;
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            match timeout_at(end, self.packets.recv()).await {
                Ok(Some(Ok(Incoming::SubAck(answer)))) => return Ok(answer.return_codes.iter().map(granted).collect()),
                // A message may overtake the answer; none that is counted does.
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(error))) => return Err(error),
                Ok(None) => return Err(GuestError::Line("the connection is gone".to_owned())),
                Err(_) => return Err(GuestError::Silent),
            }
        }
    }

    /// Hands one message over with QoS 1; the notice tells what the broker answered.
    ///
    /// # Errors
    /// [`GuestError::Line`].
    pub fn post(&self, topic: &str, payload: &str) -> Result<PublishNotice, GuestError> {
        let expiring =
            PublishProperties { message_expiry_interval: Some(MESSAGE_SECONDS), ..PublishProperties::default() };
        let options = PublishOptions::at_least_once().properties(expiring);
        let posted = self.client.try_publish_tracked(topic.to_owned(), payload.to_owned(), options);
        posted.map_err(|error| GuestError::Line(error.to_string()))
    }

    /// Publishes one message and gives the broker's answer.
    ///
    /// # Errors
    /// [`GuestError`].
    pub async fn publish(&self, topic: &str, payload: &str) -> Result<Answered, GuestError> {
        let notice = self.post(topic, payload)?;
        match timeout(PATIENCE, notice.wait_completion_async()).await {
            Ok(told) => answered(told),
            Err(_) => Err(GuestError::Silent),
        }
    }

    /// The next message, if one comes within this time.
    ///
    /// # Errors
    /// [`GuestError::Line`] when the connection is gone.
    pub async fn next(&mut self, within: Duration) -> Result<Option<Publish>, GuestError> {
        let end = tokio::time::Instant::now() + within;
        loop {
            match timeout_at(end, self.packets.recv()).await {
                Ok(Some(Ok(Incoming::Publish(publish)))) => return Ok(Some(publish)),
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(error))) => return Err(error),
                Ok(None) => return Err(GuestError::Line("the connection is gone".to_owned())),
                Err(_) => return Ok(None),
            }
        }
    }

    /// Acknowledges a message of QoS 1.
    ///
    /// # Errors
    /// [`GuestError::Line`].
    pub fn acknowledge(&self, publish: &Publish) -> Result<(), GuestError> {
        self.client.try_ack(publish).map_err(|error| GuestError::Line(error.to_string()))
    }

    /// Goes and leaves the session with the broker.
    pub async fn go_away(self) {
        let asked = self.client.try_disconnect_now().is_ok();
        self.gone(asked).await;
    }

    /// Goes and has the broker forget the session.
    pub async fn leave(self) {
        let forget = DisconnectProperties {
            session_expiry_interval: Some(0),
            reason_string: None,
            user_properties: Vec::new(),
            server_reference: None,
        };
        let reason = DisconnectReasonCode::NormalDisconnection;
        let asked = self.client.try_disconnect_now_with_properties(reason, forget).is_ok();
        self.gone(asked).await;
    }

    /// Waits for the end of the connection; what still comes is thrown away, so that it does not hold up the farewell.
    async fn gone(mut self, asked: bool) {
        let end = tokio::time::Instant::now() + Duration::from_secs(2);
        while asked && matches!(timeout_at(end, self.packets.recv()).await, Ok(Some(_))) {}
    }
}

/// What came of a publish.
///
/// # Errors
/// [`GuestError::Line`] where the broker has not answered.
pub fn answered(told: Result<(), PublishNoticeError>) -> Result<Answered, GuestError> {
    match told {
        Ok(()) => Ok(Answered::Taken),
        Err(PublishNoticeError::V5PubAck(reason)) => Ok(Answered::Refused(format!("{reason:?}"))),
        Err(error) => Err(GuestError::Line(error.to_string())),
    }
}

fn granted(code: &SubscribeReasonCode) -> Answered {
    match code {
        SubscribeReasonCode::Success(_) => Answered::Taken,
        other => Answered::Refused(format!("{other:?}")),
    }
}

fn options(settings: &SessionSettings, login: Login, name: &str) -> Result<MqttOptions, ConnectionSettingsError> {
    let mut options = match login {
        Login::Session => receiving_options(settings)?,
        Login::Acks => ack_options(settings)?,
    };
    options.set_client_id(name.to_owned());
    if login == Login::Acks {
        // A guest publishes more at once than the daemon does.
        options.set_request_channel_capacity(ROOM);
    }
    Ok(options)
}

/// Reads until the connection ends; never comes back by itself.
async fn read(mut eventloop: EventLoop, out: mpsc::Sender<Result<Incoming, GuestError>>) {
    loop {
        let said = match eventloop.poll().await {
            Ok(Event::Incoming(packet @ (Incoming::SubAck(_) | Incoming::Publish(_)))) => Ok(packet),
            Ok(Event::Incoming(packet @ Incoming::ConnAck(_))) => {
                eventloop.options.clear_session_store();
                Ok(packet)
            }
            Ok(_) => continue,
            Err(error) => Err(told(&error)),
        };
        let over = said.is_err();
        if out.send(said).await.is_err() || over {
            break;
        }
    }
    // A farewell that is still held leaves now, before the end of the channel lets its waiter end the process.
    drop(eventloop);
}

fn told(error: &ConnectionError) -> GuestError {
    match error {
        ConnectionError::ConnectionRefused(
            code @ (ConnectReturnCode::BadUserNamePassword
            | ConnectReturnCode::NotAuthorized
            | ConnectReturnCode::Banned
            | ConnectReturnCode::BadAuthenticationMethod),
        ) => GuestError::Login(format!("{code:?}")),
        other => GuestError::Line(other.to_string()),
    }
}
