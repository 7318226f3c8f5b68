//! How a region's connection stands, and what an operator is told of it. Decides when to subscribe; sends nothing itself.

use std::sync::Arc;

use rumqttc::{ConnectionError, DisconnectReasonCode, StateError, SubAck, SubscribeReasonCode};
use tokio::time::{Duration, Instant};

use super::connection::SessionSettings;
use super::takeover::TakeoverWatch;
use crate::broker::LinkStatus;
use crate::clock::Clock;
use crate::switches::{self, Switch};

/// One region's connection, as the session's task sees it.
pub struct Line {
    pub settings: SessionSettings,
    pub filters: Vec<String>,
    clock: Arc<dyn Clock>,
    status: Arc<LinkStatus>,
    /// When anything last came from the broker.
    last_packet: Instant,
    connected: bool,
    subscribed: bool,
    ever_connected: bool,
    told_absent: bool,
    takeovers: TakeoverWatch,
}

impl Line {
    /// A line that has not been up yet.
    #[must_use]
    pub fn new(
        settings: SessionSettings,
        filters: Vec<String>,
        clock: Arc<dyn Clock>,
        status: Arc<LinkStatus>,
    ) -> Self {
        Self {
            settings,
            filters,
            clock,
            status,
            last_packet: Instant::now(),
            connected: false,
            subscribed: false,
            ever_connected: false,
            told_absent: false,
            takeovers: TakeoverWatch::default(),
        }
    }

    /// Whether the connection stands.
    #[must_use]
    pub const fn is_connected(&self) -> bool {
        self.connected
    }

    /// When to give the line up if nothing comes: two keep-alive times and a little, as the library looks after one.
    /// `None` while it is down, or where keep-alive is off.
    #[must_use]
    pub fn silent_until(&self) -> Option<Instant> {
        let keep_alive = u64::from(self.settings.keep_alive_seconds);
        (self.connected && keep_alive > 0).then(|| self.last_packet + Duration::from_secs(2 * keep_alive + 5))
    }

    /// Something came, or we did not listen, so that silence says nothing.
    pub fn heard(&mut self) {
        self.last_packet = Instant::now();
    }

    /// The broker has accepted us. True when the session must subscribe.
    pub fn up(&mut self, session_present: bool) -> bool {
        // What the broker took and had not delivered when it fell is older than the fall: count from what we last heard.
        let (now, heard, region) = (self.clock.now(), self.status.last_packet_at(), &self.settings.region);
        self.status.note_up(now);
        self.connected = true;
        if self.takeovers.connected(self.clock.monotonic()) {
            // Not every broker says that a session was taken over; mosquitto 2.0 just closes the line.
            self.status.note_takeover(now);
            tracing::error!(
                %region, client_id = %self.settings.client_id, takeovers = self.status.takeovers(),
                "more than 3 connections within a minute: another client uses this client id, or the line flaps. \
                 Give each daemon its own client_id, and tie client ids to users at the broker"
            );
        }
        let broker = &self.settings.broker;
        if session_present {
            tracing::info!(%region, %broker, "connected; the broker kept the session");
        } else if self.ever_connected {
            self.status.note_session_lost();
            tracing::error!(
                %region, %broker, missing_from = %heard, missing_to = %now,
                "the broker lost the session: messages sent since missing_from may be missing"
            );
        } else {
            tracing::warn!(
                %region, %broker,
                "connected with a new session: what was sent before now does not arrive, unless its sender keeps it"
            );
        }
        self.ever_connected = true;
        // A fresh process subscribes even to a kept session, since the mappings may have changed.
        let forgotten = !session_present && !switches::is_on(Switch::NoResubscribe);
        let must_subscribe = forgotten || !self.subscribed;
        if must_subscribe {
            self.subscribed = false;
            self.status.note_subscribed(false);
        }
        must_subscribe
    }

    /// The broker has answered our subscriptions. False when it refused one.
    pub fn subscribed(&mut self, answer: &SubAck) -> bool {
        let granted = |code: &SubscribeReasonCode| matches!(code, SubscribeReasonCode::Success(_));
        let answered = self.filters.iter().zip(&answer.return_codes);
        let refused: Vec<String> =
            answered.filter(|(_, code)| !granted(code)).map(|(filter, code)| format!("{filter} ({code:?})")).collect();
        self.subscribed = refused.is_empty() && answer.return_codes.len() == self.filters.len();
        self.status.note_subscribed(self.subscribed);
        let region = &self.settings.region;
        if self.subscribed {
            tracing::info!(%region, filters = ?self.filters, "subscribed");
        } else {
            tracing::error!(
                %region, ?refused, username = ?self.settings.username,
                "the broker refused a subscription: grant this user the right to read these topics. Trying again in 30 s"
            );
        }
        self.subscribed
    }

    /// The library says that the connection is gone, or could not be made.
    pub fn failed(&mut self, error: &ConnectionError) {
        if let ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, .. }) = error
            && *reason_code == DisconnectReasonCode::SessionTakenOver
        {
            self.status.note_takeover(self.clock.now());
        }
        self.down(&error.to_string());
    }

    /// The connection is gone. Logged once per loss: further failed tries are the same loss.
    pub fn down(&mut self, why: &str) {
        let region = &self.settings.region;
        if self.connected || !self.told_absent {
            tracing::warn!(
                %region, broker = %self.settings.broker, why, unacknowledged = self.status.unacknowledged(),
                "no connection to the broker; trying again every 0.1 to 5 s"
            );
        } else {
            tracing::debug!(%region, why, "still no connection");
        }
        self.told_absent = true;
        self.connected = false;
        self.status.note_down(self.clock.now());
    }
}
