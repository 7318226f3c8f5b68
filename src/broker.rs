//! Where a broker is, and how the line to it stands. Names no MQTT library, so that every floor may read it.

pub mod offset;

pub mod tls;

pub mod expiry;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::Notify;

use self::offset::ClockOffset;
use crate::domain::id::RegionCode;
use crate::domain::time::Timestamp;

/// Where a region's broker listens: `mqtt://host[:1883]`, or `mqtts://host[:8883]` for TLS.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BrokerUrl {
    pub tls: bool,
    /// A name or an address; IPv6 without its brackets.
    pub host: String,
    pub port: u16,
}

/// Why a text is no broker address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadBroker {
    /// Another scheme, or none.
    #[error("must begin with mqtt:// or mqtts://")]
    Scheme,
    /// A user or a password inside the address.
    #[error("must hold no user or password; use `username` and `password_file`")]
    Credentials,
    /// A path, a query or a fragment behind the port.
    #[error("must end after the port; there is nothing behind it in MQTT")]
    Tail,
    /// No host.
    #[error("names no host")]
    Host,
    /// A port that is no number from 1 to 65535.
    #[error("has no port from 1 to 65535 after the colon")]
    Port,
}

impl std::str::FromStr for BrokerUrl {
    type Err = BadBroker;

    fn from_str(text: &str) -> Result<Self, BadBroker> {
        let (tls, rest) = match (text.strip_prefix("mqtt://"), text.strip_prefix("mqtts://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return Err(BadBroker::Scheme),
        };
        if rest.contains('@') {
            return Err(BadBroker::Credentials);
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#']) {
            return Err(BadBroker::Tail);
        }
        let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, tail)) => (host, Some(tail.strip_prefix(':').ok_or(BadBroker::Port)?)),
            None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
        };
        if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(BadBroker::Host);
        }
        let port = match port {
            None if tls => 8883,
            None => 1883,
            Some(text) => text.parse().ok().filter(|port| *port != 0).ok_or(BadBroker::Port)?,
        };
        Ok(Self { tls, host: host.to_owned(), port })
    }
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "mqtts" } else { "mqtt" };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

/// How one region's line to its broker stands. Written by the session, read by readiness, metrics and the fleet.
#[derive(Debug)]
pub struct LinkStatus {
    /// The region that the line serves.
    pub region: RegionCode,
    connected: AtomicBool,
    subscribed: AtomicBool,
    since: AtomicI64,
    last_packet_at: AtomicI64,
    /// 0 before the first.
    last_message_at: AtomicI64,
    clock_offset: ClockOffset,
    connects: AtomicU64,
    sessions_lost: AtomicU64,
    takeovers: AtomicU64,
    taken_over_at: AtomicI64,
    bell: OnceLock<Arc<Notify>>,
    redelivered: AtomicU64,
    unacknowledged: AtomicU64,
    application_acks_dropped: AtomicU64,
}

impl LinkStatus {
    /// A line that has never been up; `now` is when it began to be down.
    #[must_use]
    pub fn new(region: RegionCode, now: Timestamp) -> Self {
        Self {
            region,
            connected: AtomicBool::new(false),
            subscribed: AtomicBool::new(false),
            since: AtomicI64::new(now.0),
            last_packet_at: AtomicI64::new(now.0),
            last_message_at: AtomicI64::new(0),
            clock_offset: ClockOffset::default(),
            connects: AtomicU64::new(0),
            sessions_lost: AtomicU64::new(0),
            takeovers: AtomicU64::new(0),
            taken_over_at: AtomicI64::new(0),
            bell: OnceLock::new(),
            redelivered: AtomicU64::new(0),
            unacknowledged: AtomicU64::new(0),
            application_acks_dropped: AtomicU64::new(0),
        }
    }

    /// Connected, and the broker has granted every subscription: messages can arrive.
    #[must_use]
    pub fn is_listening(&self) -> bool {
        self.is_connected() && self.subscribed.load(Ordering::Relaxed)
    }

    /// Whether the MQTT connection stands.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }

    /// When the line last went up or down.
    #[must_use]
    pub fn since(&self) -> Timestamp {
        Timestamp(self.since.load(Ordering::Relaxed))
    }

    /// When anything at all last came from the broker, pings included; never later than that.
    #[must_use]
    pub fn last_packet_at(&self) -> Timestamp {
        Timestamp(self.last_packet_at.load(Ordering::Relaxed))
    }

    /// When the last message came, in this process; `None` before the first.
    #[must_use]
    pub fn last_message_at(&self) -> Option<Timestamp> {
        Some(Timestamp(self.last_message_at.load(Ordering::Relaxed))).filter(|at| at.0 != 0)
    }

    /// By how many milliseconds our clock is ahead of what the latest messages say; `None` before the first that says a time.
    #[must_use]
    pub fn clock_offset(&self) -> Option<i64> {
        self.clock_offset.median()
    }

    /// Connections made since the process began.
    #[must_use]
    pub fn connects(&self) -> u64 {
        self.connects.load(Ordering::Relaxed)
    }

    /// Times that the broker had forgotten our session; messages may be missing for each.
    #[must_use]
    pub fn sessions_lost(&self) -> u64 {
        self.sessions_lost.load(Ordering::Relaxed)
    }

    /// Times that another client took our client id.
    #[must_use]
    pub fn takeovers(&self) -> u64 {
        self.takeovers.load(Ordering::Relaxed)
    }

    /// When another client last took our client id; `None` if none has since the process began.
    #[must_use]
    pub fn taken_over_at(&self) -> Option<Timestamp> {
        (self.takeovers() > 0).then(|| Timestamp(self.taken_over_at.load(Ordering::Relaxed)))
    }

    /// Messages that the broker marked as sent before.
    #[must_use]
    pub fn redelivered(&self) -> u64 {
        self.redelivered.load(Ordering::Relaxed)
    }

    /// Messages received and not yet on disk.
    #[must_use]
    pub fn unacknowledged(&self) -> u64 {
        self.unacknowledged.load(Ordering::Relaxed)
    }

    /// Application acks that found no room or no connection; the next one of the unit makes up for it.
    #[must_use]
    pub fn application_acks_dropped(&self) -> u64 {
        self.application_acks_dropped.load(Ordering::Relaxed)
    }

    /// The connection stands since `now`.
    pub fn note_up(&self, now: Timestamp) {
        self.connects.fetch_add(1, Ordering::Relaxed);
        self.since.store(now.0, Ordering::Relaxed);
        self.note_packet(now);
        self.connected.store(true, Ordering::Relaxed);
    }

    /// The connection is gone since `now`; says nothing new when it was down already.
    pub fn note_down(&self, now: Timestamp) {
        if self.connected.swap(false, Ordering::Relaxed) {
            self.since.store(now.0, Ordering::Relaxed);
        }
    }

    /// Whether the broker has granted our subscriptions.
    pub fn note_subscribed(&self, granted: bool) {
        self.subscribed.store(granted, Ordering::Relaxed);
    }

    /// Something came from the broker.
    pub fn note_packet(&self, now: Timestamp) {
        self.last_packet_at.store(now.0, Ordering::Relaxed);
    }

    /// The broker had no session of ours where we expected one.
    pub fn note_session_lost(&self) {
        self.sessions_lost.fetch_add(1, Ordering::Relaxed);
    }

    /// Has this bell rung whenever a person is to be told of the line. The first bell stays.
    pub fn ring(&self, bell: Arc<Notify>) {
        drop(self.bell.set(bell));
    }

    /// Another client took our client id.
    pub fn note_takeover(&self, now: Timestamp) {
        self.taken_over_at.store(now.0, Ordering::Relaxed);
        self.takeovers.fetch_add(1, Ordering::Relaxed);
        if let Some(bell) = self.bell.get() {
            bell.notify_one();
        }
    }

    /// A message came; `told_at` is its own time, and `again` the broker's mark of having been sent before.
    pub fn note_message(&self, now: Timestamp, told_at: Option<Timestamp>, again: bool) {
        self.last_message_at.store(now.0, Ordering::Relaxed);
        if let Some(told_at) = told_at {
            self.clock_offset.note(now, told_at);
        }
        if again {
            self.redelivered.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many messages are received and not yet on disk.
    pub fn note_unacknowledged(&self, messages: usize) {
        self.unacknowledged.store(messages as u64, Ordering::Relaxed);
    }

    /// An application ack found no room; gives the count so far.
    pub fn note_application_ack_dropped(&self) -> u64 {
        self.application_acks_dropped.fetch_add(1, Ordering::Relaxed) + 1
    }
}
