//! One publisher's controllers: what is numbered is kept until the city says that its database has it, and told again
//! after a reconnect and after a wait (docs/CONTRACT.md, application ack).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;

use super::outstanding::{Outstanding, Sent};
use super::publisher::{Ear, PublishError, Publisher, PublisherSettings, Tally};
use super::story::Message;

/// Events told again before others have their turn.
const AT_ONCE: usize = 500;

/// What is known when a controller falls silent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Farewell {
    /// The broker had taken everything.
    pub settled: bool,
    /// Events that the city had not acknowledged.
    pub unacknowledged: usize,
    /// Events that were given up for want of room.
    pub given_up: u64,
}

/// What the connection's task and the teller share.
struct Memory {
    outstanding: Mutex<Outstanding>,
    began: Instant,
    acknowledged: AtomicBool,
}

/// A connected controller.
pub struct Controller {
    name: String,
    publisher: Publisher,
    /// `None` keeps nothing.
    memory: Option<Arc<Memory>>,
    warned: bool,
}

impl Controller {
    /// Connects as `client_id`. Events are told again after `again_after`; with `None` nothing is kept, and what a broker
    /// loses is lost.
    ///
    /// # Errors
    /// Those of [`Publisher::connect`].
    pub async fn connect(
        client_id: &str,
        name: &str,
        settings: &PublisherSettings,
        again_after: Option<Duration>,
        tally: Arc<Tally>,
    ) -> Result<Self, PublishError> {
        let memory = again_after.map(|after| Arc::new(Memory::new(after)));
        let ear = memory.as_ref().map(|memory| ear(name, memory));
        let publisher = Publisher::connect_with(client_id, name, settings, tally, ear).await?;
        Ok(Self { name: name.to_owned(), publisher, memory, warned: false })
    }

    /// Tells one message; waits while the queue is full.
    ///
    /// # Errors
    /// Those of [`Publisher::publish`].
    pub async fn tell(&self, message: Message) -> Result<(), PublishError> {
        let Message { topic, payload, number, .. } = message;
        // Kept before it is sent: the ack may be here before `publish` returns.
        if let Some((memory, number)) = self.memory.as_ref().zip(number) {
            let sent = Sent { topic: topic.clone(), payload: payload.clone() };
            memory.outstanding().keep(number, sent, memory.now());
        }
        self.publisher.publish(topic, payload).await
    }

    /// Tells again what is due.
    ///
    /// # Errors
    /// Those of [`Publisher::publish`].
    pub async fn tell_again(&mut self) -> Result<(), PublishError> {
        let Some(memory) = &self.memory else { return Ok(()) };
        loop {
            let due = memory.outstanding().take_due(memory.now(), AT_ONCE);
            if due.is_empty() {
                return Ok(());
            }
            if !self.warned && !memory.acknowledged.load(Ordering::Relaxed) {
                self.warned = true;
                tracing::warn!(
                    publisher = self.name,
                    "the city has acknowledged no event, so events are sent again: is it listening, is application_ack on, \
                     and may this publisher read liftack/v1/{}/+ at the broker?",
                    self.name
                );
            }
            for Sent { topic, payload } in due {
                self.publisher.repeat(topic, payload).await?;
            }
        }
    }

    /// Waits up to `within` for the broker to take what was sent, then disconnects.
    pub async fn finish(self, within: Duration) -> Farewell {
        let settled = self.publisher.finish(within).await;
        let Some(memory) = self.memory else { return Farewell { settled, ..Farewell::default() } };
        let outstanding = memory.outstanding();
        Farewell { settled, unacknowledged: outstanding.len(), given_up: outstanding.given_up() }
    }
}

impl Memory {
    fn new(after: Duration) -> Self {
        let outstanding = Mutex::new(Outstanding::new(after, fastrand::u64(..)));
        Self { outstanding, began: Instant::now(), acknowledged: AtomicBool::new(false) }
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn outstanding(&self) -> MutexGuard<'_, Outstanding> {
        // Every change of it is whole, so one who panicked has left nothing half done.
        self.outstanding.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an application ack. What is none is passed over: the event is told again, and so is the ack.
    fn heard(&self, topic: &[u8], payload: &[u8]) {
        #[derive(Deserialize)]
        struct Ack {
            boot: String,
            first: u64,
            seq: u64,
        }
        let unit = std::str::from_utf8(topic).ok().and_then(|topic| topic.rsplit('/').next());
        let ack: Option<Ack> = serde_json::from_slice(payload).ok();
        if let Some((unit, Ack { boot, first, seq })) = unit.zip(ack) {
            self.acknowledged.store(true, Ordering::Relaxed);
            self.outstanding().acknowledged(unit, &boot, first, seq);
        }
    }
}

fn ear(name: &str, memory: &Arc<Memory>) -> Ear {
    let (hearing, reconnecting) = (Arc::clone(memory), Arc::clone(memory));
    Ear {
        filter: format!("liftack/v1/{name}/+"),
        heard: Box::new(move |topic, payload| hearing.heard(topic, payload)),
        reconnected: Arc::new(move || reconnecting.outstanding().reconnected(reconnecting.now())),
    }
}
