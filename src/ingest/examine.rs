//! Tries a region's broker by experiment and says what it did. Judges nothing, and never comes under the name of the
//! region's own client.

use std::collections::BTreeSet;
use std::time::Duration;

use rumqttc::{Publish, QoS};
use tokio::time::timeout_at;

use super::connection::SessionSettings;
use super::guest::{Answered, Guest, GuestError, Login, PATIENCE, Welcome, answered};
use crate::clock::Clock;
use crate::decode::Decoder;
use crate::domain::time::Timestamp;

/// Messages that are published while a subscriber is away: more than the 1,000 that mosquitto keeps by default.
pub const AWAY: usize = 1_500;

/// Messages that the subscriber lets the broker send before it acknowledges one.
pub const WINDOW: u16 = 500;

/// Messages that are published to the subscriber while it is there and acknowledges none.
const LIVE: usize = WINDOW as usize + 100;

/// How long the live topics are listened to.
const LISTENED: Duration = Duration::from_secs(5);

/// Silence after which no more of what was queued is expected.
const QUIET: Duration = Duration::from_millis(1_500);

/// Time for acknowledgements to leave before their client does.
const SETTLING: Duration = Duration::from_millis(200);

/// How long the broker may take for the messages of [`AWAY`]; one that syncs each to disk takes about 5 s.
const FILLING: Duration = Duration::from_secs(60);

/// What one experiment showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It ended here: this login, this reason.
    Stopped(Login, GuestError),
    /// The broker names clients by their user, so whoever comes with this login is taken for the daemon.
    NamedByUser(Login),
    Connected(Welcome),
    /// Each filter that the region's session subscribes to, and whether it may.
    Reading(Vec<(String, Answered)>),
    /// Retained messages on those topics.
    Retained(usize),
    /// How far our clock is ahead of what messages say, in milliseconds: the median, and of how many.
    Clock(Option<(i64, usize)>),
    /// A publish to this topic, which belongs to controllers.
    DeviceTopic(String, Answered),
    /// A publish where application acks go.
    AckTopic(String, Answered),
    /// The session's login does not hear this topic, so the queue could not be tried.
    Unheard(String),
    Queue(Queue),
}

/// What became of [`AWAY`] messages that were published while their subscriber was away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    /// The broker still had the session.
    pub session_kept: bool,
    /// Taken by the broker, which answered each.
    pub sent: usize,
    /// Sent by the broker before any was acknowledged, to a subscriber that was there.
    pub live_at_once: usize,
    /// The same to one that came back.
    pub at_once: usize,
    /// Delivered in the end.
    pub received: usize,
}

/// Tries everything that can be tried with the logins of this region.
pub async fn examine(settings: &SessionSettings, decoder: &Decoder, clock: &dyn Clock) -> Vec<Found> {
    let tag = format!("{:012x}", fastrand::u64(..1 << 48));
    let mut examiner = Examiner { settings, decoder, clock, tag, login: Login::Session, found: Vec::new() };
    if let Err(error) = examiner.all().await {
        examiner.found.push(Found::Stopped(examiner.login, error));
    }
    examiner.found
}

struct Examiner<'a> {
    settings: &'a SessionSettings,
    decoder: &'a Decoder,
    clock: &'a dyn Clock,
    /// Chance, in the names of guests and of topics.
    tag: String,
    /// The login that is being tried.
    login: Login,
    found: Vec<Found>,
}

impl Examiner<'_> {
    async fn all(&mut self) -> Result<(), GuestError> {
        // A user of its own for acks means that the session's need not be disturbed to find out.
        let own_user = self.settings.application_ack && self.settings.ack_username.is_some();
        self.login = if own_user { Login::Acks } else { Login::Session };
        let Some(welcome) = self.naming().await? else {
            self.found.push(Found::NamedByUser(self.login));
            return Ok(());
        };
        self.login = Login::Session;
        let mut guest = Guest::passing(self.settings, Login::Session, &self.name("reader")).await?;
        self.found.push(Found::Connected(welcome));
        self.listen(&mut guest).await?;
        // One level longer than any topic that a daemon subscribes to, so that a broker which takes it gives it to none.
        let topic = format!("lift/v1/{}/_doctor/{}/state/trial", self.settings.region, self.tag);
        let answer = match guest.publish(&topic, "{}").await {
            // Some brokers answer so to what a client may not do.
            Err(GuestError::Line(_)) => Answered::Refused("it ended the connection".to_owned()),
            other => other?,
        };
        self.found.push(Found::DeviceTopic(topic, answer));
        guest.leave().await;
        self.queue().await
    }

    fn name(&self, role: &str) -> String {
        format!("liftwatch-doctor-{}-{role}", self.tag)
    }

    /// Two clients of one login under two names: `None` where the broker takes them for one, or for one that it had
    /// before. Whatever it had stays as it was.
    async fn naming(&self) -> Result<Option<Welcome>, GuestError> {
        let first = Guest::as_persistent(self.settings, self.login, &self.name("first")).await?;
        if first.welcome.session_present {
            first.go_away().await;
            return Ok(None);
        }
        let second = match Guest::as_persistent(self.settings, self.login, &self.name("second")).await {
            Ok(second) => second,
            Err(error) => {
                first.leave().await;
                return Err(error);
            }
        };
        let (welcome, one) = (first.welcome, second.welcome.session_present);
        second.leave().await;
        first.leave().await;
        Ok((!one).then_some(welcome))
    }

    /// Hears the region's topics for a while: whether it may, what is retained there, and what time it is elsewhere.
    async fn listen(&mut self, guest: &mut Guest) -> Result<(), GuestError> {
        let filters = self.decoder.filters(&self.settings.region);
        // QoS 0: what nobody acknowledges is in nobody's way.
        let answers = guest.subscribe(&filters, QoS::AtMostOnce).await?;
        let may = answers.contains(&Answered::Taken);
        self.found.push(Found::Reading(filters.into_iter().zip(answers).collect()));
        if !may {
            return Ok(());
        }
        let (mut retained, mut ahead) = (0, Vec::new());
        let end = tokio::time::Instant::now() + LISTENED;
        while let Ok(publish) = timeout_at(end, guest.next(LISTENED)).await {
            match publish? {
                None => break,
                Some(publish) if publish.retain => retained += 1,
                Some(publish) => ahead.extend(self.told_at(&publish).map(|told| self.clock.now() - told)),
            }
        }
        ahead.sort_unstable();
        self.found.push(Found::Retained(retained));
        self.found.push(Found::Clock(ahead.get(ahead.len() / 2).map(|median| (*median, ahead.len()))));
        Ok(())
    }

    /// The time that a message gives itself.
    fn told_at(&self, publish: &Publish) -> Option<Timestamp> {
        let topic = String::from_utf8_lossy(&publish.topic);
        self.decoder.decode(&self.settings.region, &topic, &publish.payload).ok()?.told_at()
    }

    /// Has messages published for a session that is away, and looks at how they come when it is back.
    async fn queue(&mut self) -> Result<(), GuestError> {
        let topic = format!("liftack/v1/_doctor/{}", self.tag);
        let away = self.name("away");
        self.login = if self.settings.application_ack { Login::Acks } else { Login::Session };
        let poster = Guest::passing(self.settings, self.login, &self.name("poster")).await?;
        let mut reader = Guest::with_session(self.settings, &away, WINDOW).await?;
        let heard = self.probe(&poster, &mut reader, &topic).await;
        let live = match heard {
            Ok(true) => live(&poster, &mut reader, &topic).await,
            other => {
                reader.leave().await;
                poster.leave().await;
                return other.map(drop);
            }
        };
        reader.go_away().await;
        let sent = fill(&poster, &topic, AWAY).await;
        poster.leave().await;
        self.login = Login::Session;
        let mut back = Guest::with_session(self.settings, &away, WINDOW).await?;
        let session_kept = back.welcome.session_present;
        let taken = take(&mut back, AWAY).await;
        back.leave().await;
        let (live_at_once, sent, (at_once, received)) = (live?, sent?, taken?);
        self.found.push(Found::Queue(Queue { session_kept, sent, live_at_once, at_once, received }));
        Ok(())
    }

    /// Whether one message comes through; says why not.
    async fn probe(&mut self, poster: &Guest, reader: &mut Guest, topic: &str) -> Result<bool, GuestError> {
        let subscribed = reader.subscribe(&[topic.to_owned()], QoS::AtLeastOnce).await?;
        let answer = poster.publish(topic, "probe").await?;
        let posted = answer == Answered::Taken;
        self.found.push(Found::AckTopic(topic.to_owned(), answer));
        if !posted {
            return Ok(false);
        }
        let came = if subscribed == [Answered::Taken] { reader.next(Duration::from_secs(3)).await? } else { None };
        match came {
            Some(publish) => {
                reader.acknowledge(&publish)?;
                Ok(true)
            }
            None => {
                self.found.push(Found::Unheard(topic.to_owned()));
                Ok(false)
            }
        }
    }
}

/// Publishes [`LIVE`] messages to a subscriber that acknowledges none at first; gives how many came then.
async fn live(poster: &Guest, reader: &mut Guest, topic: &str) -> Result<usize, GuestError> {
    fill(poster, topic, LIVE).await?;
    let (at_once, _) = take(reader, LIVE).await?;
    // The acknowledgements have left before the session does.
    tokio::time::sleep(SETTLING).await;
    Ok(at_once)
}

/// Publishes so many messages; gives how many the broker took.
async fn fill(poster: &Guest, topic: &str, messages: usize) -> Result<usize, GuestError> {
    let end = tokio::time::Instant::now() + FILLING;
    let notices: Result<Vec<_>, _> = (0..messages).map(|number| poster.post(topic, &number.to_string())).collect();
    let mut sent = 0;
    for notice in notices? {
        let told = timeout_at(end, notice.wait_completion_async()).await;
        let told = told.map_err(|_| {
            GuestError::Line(format!("the broker took only {sent} of {messages} messages in {} s", FILLING.as_secs()))
        })?;
        if answered(told)? == Answered::Taken {
            sent += 1;
        }
    }
    Ok(sent)
}

/// Receives what there is of so many messages: first without a single acknowledgement, then with. Gives both counts.
async fn take(reader: &mut Guest, messages: usize) -> Result<(usize, usize), GuestError> {
    let mut held = Vec::new();
    while let Some(publish) = reader.next(QUIET).await? {
        held.push(publish);
    }
    let at_once = held.len();
    let mut numbers: BTreeSet<Vec<u8>> = BTreeSet::new();
    let end = tokio::time::Instant::now() + PATIENCE * 3;
    for publish in &held {
        reader.acknowledge(publish)?;
        numbers.insert(publish.payload.to_vec());
    }
    while numbers.len() < messages && tokio::time::Instant::now() < end {
        let Some(publish) = reader.next(QUIET).await? else { break };
        reader.acknowledge(&publish)?;
        numbers.insert(publish.payload.to_vec());
    }
    Ok((at_once, numbers.len()))
}
