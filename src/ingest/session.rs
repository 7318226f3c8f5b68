//! One region's MQTT session: receive, decode, hand over, and acknowledge in order after the commit.
//! The task that polls the connection never waits for anything else: it neither cancels a poll nor blocks inside one.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, Incoming, ManualAck, Publish, QoS, RetainForwardRule,
    SubscribeFilterInput,
};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::ack::AckPublisher;
use super::connection::{ConnectionSettingsError, SessionSettings, ack_options, receiving_options, retry_delay};
use super::farewell::{DRAIN, GOODBYE, Leaving};
use super::line::Line;
use super::window::Window;
use crate::broker::LinkStatus;
use crate::clock::Clock;
use crate::decode::Decoder;
use crate::decode::mapping::{Decoded, Reason, Rejection};
use crate::domain::time::Timestamp;
use crate::pipeline::message::{Arrival, Committed, Envelope};
use crate::switches::{self, Stage, Switch};

/// Bytes received and not yet on disk above which the session stops reading; the broker then holds the rest.
const HELD_BYTES: usize = 64 * 1024 * 1024;

/// Between two tries after the broker refused a subscription: a person has to change its access rules first.
const AFTER_REFUSAL: Duration = Duration::from_secs(30);

/// Packets taken in a row where they are here already, before a look at what there is to do beside reading: looking costs
/// more than a packet.
const RUN: usize = 32;

/// What a session is wired to.
pub struct SessionParts {
    /// Number of this session; stands in every envelope.
    pub index: usize,
    pub decoder: Arc<Decoder>,
    pub clock: Arc<dyn Clock>,
    pub out: mpsc::Sender<Envelope>,
    pub committed: mpsc::UnboundedReceiver<Committed>,
    pub status: Arc<LinkStatus>,
    /// Turns true (or closes) to end the session.
    pub shutdown: watch::Receiver<bool>,
}

/// Why a session ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    #[error("region {region}: {source}")]
    Settings { region: String, source: ConnectionSettingsError },
    #[error("region {region}: the store takes no more messages")]
    PipelineGone { region: String },
}

/// Runs one session until shutdown. A broker that is away is waited for, for ever.
///
/// # Errors
/// [`SessionError::Settings`] before the first connection; [`SessionError::PipelineGone`] when nobody takes messages.
pub async fn run(settings: SessionSettings, parts: SessionParts) -> Result<(), SessionError> {
    let region = settings.region.to_string();
    let refuse = |source| SessionError::Settings { region: region.clone(), source };
    let options = receiving_options(&settings).map_err(refuse)?;
    let acks = if settings.application_ack {
        Some(AckPublisher::start(ack_options(&settings).map_err(refuse)?, Arc::clone(&parts.status)))
    } else {
        None
    };
    let (client, mut eventloop) = AsyncClient::builder(options).build();
    let filters = parts.decoder.filters(&settings.region);
    let line = Line::new(settings, filters, Arc::clone(&parts.clock), Arc::clone(&parts.status));
    let (window, waiting) = (Window::default(), VecDeque::new());
    let mut session =
        Session { line, parts, client, acks, window, waiting, leaving: Leaving::No, broken: false, run: 0 };
    let ended = session.serve(&mut eventloop).await;
    session.parts.status.note_down(session.parts.clock.now());
    if let Some(acks) = session.acks.take() {
        acks.finish(GOODBYE).await;
    }
    ended
}

/// Waits until `then`; for ever where there is none.
async fn reach(then: Option<Instant>) {
    match then {
        Some(then) => tokio::time::sleep_until(then).await,
        None => std::future::pending().await,
    }
}

/// What the wait for the next packet ended with.
enum Step {
    Polled(Box<Result<Event, ConnectionError>>),
    /// Nothing came for two keep-alive times, or an acknowledgement could not be queued.
    Stalled,
    Left,
    PipelineGone,
}

/// What there is to do beside reading.
enum Chore {
    Acknowledge(Committed),
    /// A waiting message has gone to the pipeline.
    HandedOver,
    Shutdown,
    PipelineGone,
}

/// What an event asks of the loop.
enum After {
    GoOn,
    /// The broker refused a subscription: leave, and come back later.
    Leave,
}

struct Session {
    line: Line,
    parts: SessionParts,
    client: AsyncClient,
    acks: Option<AckPublisher>,
    /// Received and not yet on disk.
    window: Window<ManualAck>,
    /// The youngest part of it, which the pipeline has not taken yet.
    waiting: VecDeque<Envelope>,
    leaving: Leaving,
    /// An acknowledgement or a subscription could not be queued: only a new connection helps.
    broken: bool,
    /// Packets taken since there was last a look at what there is to do beside reading.
    run: usize,
}

impl Session {
    async fn serve(&mut self, eventloop: &mut EventLoop) -> Result<(), SessionError> {
        loop {
            let step = {
                let poll = pin!(eventloop.poll());
                self.next_step(poll).await
            };
            if self.line.is_connected() {
                // It has served its purpose at the first CONNACK; kept, it would be asked after every batch.
                eventloop.options.clear_session_store();
            }
            let pause = match step {
                Step::Polled(result) => match *result {
                    Ok(event) => match self.on_event(event) {
                        After::GoOn => continue,
                        After::Leave => {
                            eventloop.clean();
                            self.down("the broker refused a subscription");
                            AFTER_REFUSAL
                        }
                    },
                    Err(_) if self.leaving != Leaving::No => return Ok(()),
                    Err(error) => {
                        self.line.failed(&error);
                        self.end_epoch();
                        retry_delay()
                    }
                },
                Step::Stalled => {
                    eventloop.clean();
                    self.down("the line is up but nothing moves on it");
                    retry_delay()
                }
                Step::Left => return Ok(()),
                Step::PipelineGone => return Err(self.pipeline_gone()),
            };
            match self.rest(pause).await {
                None => {}
                Some(Step::PipelineGone) => return Err(self.pipeline_gone()),
                Some(_) => return Ok(()),
            }
        }
    }

    /// Waits for the connection's next event while handing over and acknowledging. `poll` is never dropped half way
    /// but for a stalled line, which is torn down then.
    async fn next_step(&mut self, mut poll: Pin<&mut impl Future<Output = Result<Event, ConnectionError>>>) -> Step {
        loop {
            if std::mem::take(&mut self.broken) {
                return Step::Stalled;
            }
            // Not reading is our only back-pressure. More than a window's worth is held only where a broker ignores the
            // window or sends QoS 0.
            let may_read = self.waiting.len() < usize::from(self.line.settings.receive_maximum) * 2
                && self.window.bytes() < HELD_BYTES;
            if may_read && self.run < RUN && self.leaving == Leaving::No {
                let at_once = poll_fn(|context| Poll::Ready(poll.as_mut().poll(context))).await;
                if let Poll::Ready(result) = at_once {
                    self.run += 1;
                    return Step::Polled(Box::new(result));
                }
            }
            self.run = 0;
            let leave_by = match self.next_farewell() {
                Some(Step::Left) => return Step::Left,
                _ => self.leaving.until(),
            };
            let silent_until = self.line.silent_until().filter(|_| may_read);
            tokio::select! {
                biased;
                chore = self.next_chore() => if let Some(step) = self.done(chore) { return step },
                result = &mut poll, if may_read => return Step::Polled(Box::new(result)),
                () = reach(silent_until) => return Step::Stalled,
                () = reach(leave_by) => {}
            }
            if !may_read {
                self.line.heard();
            }
        }
    }

    /// The time between two connections: what was received still goes its way. `Some` ends the session.
    async fn rest(&mut self, pause: Duration) -> Option<Step> {
        let until = Instant::now() + pause;
        loop {
            tokio::select! {
                biased;
                chore = self.next_chore() => if let Some(step) = self.done(chore) { return Some(step) },
                () = tokio::time::sleep_until(until) => return None,
            }
        }
    }

    /// The next thing to do beside reading. Dropping this future half way loses nothing.
    async fn next_chore(&mut self) -> Chore {
        tokio::select! {
            biased;
            _ = self.parts.shutdown.wait_for(|stop| *stop), if self.leaving == Leaving::No => Chore::Shutdown,
            committed = self.parts.committed.recv() => committed.map_or(Chore::PipelineGone, Chore::Acknowledge),
            permit = self.parts.out.reserve(), if !self.waiting.is_empty() => match (permit, self.waiting.pop_front()) {
                (Ok(permit), Some(envelope)) => {
                    permit.send(envelope);
                    Chore::HandedOver
                }
                _ => Chore::PipelineGone,
            },
        }
    }

    /// Does what [`Session::next_chore`] found; `Some` ends the session.
    fn done(&mut self, chore: Chore) -> Option<Step> {
        match chore {
            Chore::Shutdown if !self.line.is_connected() => return Some(Step::Left),
            Chore::Shutdown => self.begin_to_leave(),
            Chore::PipelineGone => return Some(Step::PipelineGone),
            Chore::Acknowledge(committed) => self.acknowledge(&committed),
            Chore::HandedOver => {}
        }
        None
    }

    fn on_event(&mut self, event: Event) -> After {
        let Event::Incoming(packet) = event else { return After::GoOn };
        self.line.heard();
        if let Incoming::ConnAck(connack) = &packet
            && self.line.up(connack.session_present)
        {
            self.subscribe();
        }
        let now = self.parts.clock.now();
        self.parts.status.note_packet(now);
        match packet {
            Incoming::Publish(publish) => self.on_publish(&publish, now),
            Incoming::SubAck(suback) if !self.line.subscribed(&suback) => return After::Leave,
            _ => {}
        }
        After::GoOn
    }

    fn on_publish(&mut self, publish: &Publish, received_at: Timestamp) {
        if self.leaving != Leaving::No {
            // Not acknowledged, so the broker keeps it for the next process.
            return;
        }
        let topic = String::from_utf8_lossy(&publish.topic).into_owned();
        let mut decoded = self.parts.decoder.decode(&self.line.settings.region, &topic, &publish.payload);
        if publish.retain {
            decoded = Err(refuse_retained(decoded));
        }
        let told_at = decoded.as_ref().ok().and_then(Decoded::told_at);
        self.parts.status.note_message(received_at, told_at, publish.dup);
        let ticket = self.window.admit(topic.len() + publish.payload.len(), self.client.prepare_ack(publish));
        let arrival = Arrival {
            region: self.line.settings.region.clone(),
            topic,
            payload: publish.payload.to_vec(),
            received_at,
            decoded,
        };
        let envelope = Envelope { session: self.parts.index, ticket, arrival };
        if !self.waiting.is_empty() {
            self.waiting.push_back(envelope);
        } else if let Err(refused) = self.parts.out.try_send(envelope) {
            // Full, or closed; the wait for room tells which.
            self.waiting.push_back(refused.into_inner());
        }
        self.parts.status.note_unacknowledged(self.window.len());
    }

    /// Everything up to `through` is on disk: acknowledge it, in the order in which it came.
    fn acknowledge(&mut self, committed: &Committed) {
        switches::pass(Stage::BeforeAck);
        for ack in self.window.release(committed.through) {
            if let Err(error) = self.client.try_manual_ack(ack) {
                tracing::error!(region = %self.line.settings.region, %error, "an acknowledgement found no room; reconnecting");
                self.broken = true;
            }
        }
        self.parts.status.note_unacknowledged(self.window.len());
        if let Some(acks) = &self.acks {
            for ack in &committed.acks {
                acks.publish(ack);
            }
        }
        switches::pass(Stage::AfterAck);
    }

    fn subscribe(&mut self) {
        // Retained messages are refused: those that lie there are not asked for, those sent as such are shown as such.
        let filters = self.line.filters.iter().map(|filter| {
            SubscribeFilterInput::new(filter.clone(), QoS::AtLeastOnce)
                .retain_forward_rule(RetainForwardRule::Never)
                .preserve_retain(true)
        });
        if let Err(error) = self.client.try_subscribe_many(filters) {
            tracing::error!(region = %self.line.settings.region, %error, "cannot subscribe; reconnecting");
            self.broken = true;
        }
    }

    /// From now on: nothing new is taken; what was handed over reaches the disk and is acknowledged.
    fn begin_to_leave(&mut self) {
        // What the pipeline has not taken is not acknowledged: the broker delivers it to the next process.
        if let Some(first) = self.waiting.front() {
            self.window.forget_from(first.ticket);
        }
        self.waiting.clear();
        self.leaving = Leaving::Draining(Instant::now() + DRAIN);
    }

    /// Takes the next step of a shutdown if it is time for it.
    fn next_farewell(&mut self) -> Option<Step> {
        match self.leaving {
            Leaving::Draining(until) if self.window.is_empty() || Instant::now() >= until => {
                if !self.window.is_empty() {
                    tracing::warn!(region = %self.line.settings.region, messages = self.window.len(),
                        "left before these were on disk; the broker delivers them again");
                }
                // Queued behind the acknowledgements, in the same channel; the session stays at the broker.
                if self.client.try_disconnect_with_timeout(GOODBYE).is_err() {
                    return Some(Step::Left);
                }
                self.leaving = Leaving::Goodbye(Instant::now() + GOODBYE);
                None
            }
            Leaving::Goodbye(until) if Instant::now() >= until => Some(Step::Left),
            _ => None,
        }
    }

    fn down(&mut self, why: &str) {
        self.line.down(why);
        self.end_epoch();
    }

    fn end_epoch(&mut self) {
        if !switches::is_on(Switch::NoEpochTag) {
            self.window.end_epoch();
        }
    }

    fn pipeline_gone(&self) -> SessionError {
        SessionError::PipelineGone { region: self.line.settings.region.to_string() }
    }
}

/// A retained message would be delivered again and again as if it were news (docs/CONTRACT.md: retained events are refused).
fn refuse_retained(decoded: Result<Decoded, Rejection>) -> Rejection {
    let mut refused = Rejection::new(Reason::Retained, "published with the retain flag: publish without it");
    (refused.publisher, refused.unit) = match decoded {
        Ok(decoded) => (Some(decoded.address.publisher), Some(decoded.address.unit)),
        Err(rejection) => (rejection.publisher, rejection.unit),
    };
    refused
}
