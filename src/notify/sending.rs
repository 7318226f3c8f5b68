//! One try: a claimed delivery, or several folded into one because the receiver takes no more, to its sink.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::domain::notice::NotificationKind;
use crate::domain::time::{SECOND, Timestamp};
use crate::store::deliveries::{Claimed, Next, Reported};

use super::backoff::{self, Standing};
use super::directory::Directory;
use super::letter;
use super::message::{DIGESTED, Message};
use super::sink::{Answer, Parcel};

/// The longest that a sink may take (src/notify/sink.rs); what takes longer is ended.
pub const LONGEST: Duration = Duration::from_secs(15);

/// Characters of a receiver's answer that are kept.
const DETAIL: usize = 300;

/// Sends what was claimed and says how it went; empty if its leases are about to end, so that it is claimed anew.
pub async fn send(claimed: Vec<Claimed>, directory: Arc<Directory>, clock: Arc<dyn Clock>) -> Vec<Reported> {
    let began = clock.now();
    let spent = i64::try_from(LONGEST.as_millis()).unwrap_or(i64::MAX) + SECOND;
    if claimed.iter().any(|delivery| delivery.lease_until - began.0 < spent) {
        return Vec::new();
    }
    let started = clock.monotonic();
    let trying = claimed.clone();
    let now = clock.now();
    // A task of its own: a sink that panics ends its try and nothing else.
    let answer = tokio::spawn(async move { attempt(&trying, &directory, now).await }).await;
    let answer = answer.unwrap_or_else(|_| Answer::Retry {
        status: None,
        detail: "the sink failed; the log says how".to_owned(),
        after: None,
    });
    let duration_ms = i64::try_from(clock.monotonic().saturating_sub(started).as_millis()).unwrap_or(i64::MAX);
    let tried = Tried { at: began, duration_ms, now: clock.now() };
    claimed.iter().map(|delivery| tried.report(delivery, answer.clone(), fastrand::f64())).collect()
}

/// When a try began, how long it took, and what time it is now.
#[derive(Debug, Clone, Copy)]
pub struct Tried {
    pub at: Timestamp,
    pub duration_ms: i64,
    pub now: Timestamp,
}

impl Tried {
    /// What is recorded of it; `chance` from 0 to 1.
    #[must_use]
    pub fn report(self, delivery: &Claimed, answer: Answer, chance: f64) -> Reported {
        let created_at = Timestamp(delivery.created_at);
        let standing = Standing { created_at, attempts: delivery.attempts, now: self.now };
        let next = match &answer {
            Answer::Gone { status: None, .. } => Next::Dead,
            answer => backoff::next(answer, standing, chance),
        };
        let (outcome, status, detail) = backoff::recorded(answer);
        Reported {
            delivery: delivery.id.clone(),
            receiver: delivery.receiver.clone(),
            sink: delivery.sink.clone(),
            at: self.at,
            duration_ms: self.duration_ms,
            outcome,
            status,
            detail: detail.chars().take(DETAIL).collect(),
            next,
        }
    }
}

/// Tries to send.
pub async fn attempt(claimed: &[Claimed], directory: &Directory, now: Timestamp) -> Answer {
    let Some(first) = claimed.first() else { return Answer::Delivered { status: None } };
    let refused = |detail: &str| Answer::Refused { status: None, detail: detail.to_owned() };
    let receiver = directory.get(&first.receiver);
    let Some(receiver) = receiver else { return refused("the configuration has no such receiver") };
    let Some(way) = receiver.way(&first.sink) else { return refused("the configuration has no such way to it") };
    let messages: Result<Vec<Message>, _> = claimed.iter().map(|row| serde_json::from_str(&row.body)).collect();
    let Ok(messages) = messages else { return refused("the stored message cannot be read") };
    let message = fold(messages);
    let text = (receiver.wording)(&message, &first.id);
    let parcel = Parcel { key: &first.id, attempt: first.attempts + 1, message: &message, text: &text, now };
    match tokio::time::timeout(LONGEST, way.sink.send(parcel)).await {
        Ok(answer) => answer,
        Err(_) => {
            Answer::Retry { status: None, detail: format!("no answer within {} s", LONGEST.as_secs()), after: None }
        }
    }
}

/// Several messages in one: its alerts are theirs, each as it was told last.
fn fold(mut messages: Vec<Message>) -> Message {
    if messages.len() == 1 {
        return messages.remove(0);
    }
    let count = messages.iter().map(|message| message.count).sum();
    let mut all = messages.into_iter();
    let Some(mut folded) = all.next() else { unreachable!("a try has at least one delivery") };
    for message in all {
        folded.items.extend(message.items);
        for (mine, other) in [(&mut folded.zh, message.zh), (&mut folded.en, message.en)] {
            if !other.is_empty() {
                mine.push('\n');
                mine.push_str(&other);
            }
        }
    }
    letter::worst_first(&mut folded.items);
    folded.items.truncate(DIGESTED);
    folded.count = count;
    NotificationKind::Digest.as_str().clone_into(&mut folded.kind);
    folded
}
