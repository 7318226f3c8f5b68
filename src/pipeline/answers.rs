//! People's answers and silences: each is one small transaction, and leaves a row with a name under it.

use crate::domain::alert::AlertState;
use crate::domain::notice::AnswerKind;
use crate::domain::time::{SECOND, Timestamp};
use crate::store::answers::{LastAnswer, NewAnswer};
use crate::store::error::StoreError;
use crate::store::silences::NewSilence;

use super::Pipeline;

/// The same answer again within this time is a button pressed twice or a request sent again, not a second answer.
const AGAIN: i64 = 10 * SECOND;

/// What a person says of an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub alert: String,
    pub kind: AnswerKind,
    pub by: String,
    pub note: String,
    /// Of an acknowledgement: from then on it does not count any more.
    pub expires_at: Option<Timestamp>,
}

/// What a person does not want to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    /// JSON list of `[label, operator, value]`, checked by whoever asks.
    pub matchers: String,
    pub by: String,
    pub why: String,
    /// A time that has passed means now.
    pub starts_at: Timestamp,
    pub ends_at: Timestamp,
}

/// What came of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// The number of its row; of the first, if it was given twice in a moment.
    Recorded(i64),
    UnknownAlert,
    /// Not to an alert that stands so.
    NotWhen(AlertState),
}

/// What came of a "received" link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// So many alerts were acknowledged by it.
    Recorded(u64),
    /// It was used before; nothing changed.
    Before,
    UnknownDelivery,
}

/// What came of a wish for silence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Silenced {
    Begun(String),
    Ended,
    /// It had ended already; nothing changed.
    Over,
    UnknownSilence,
}

impl Pipeline {
    /// Records what a person says of an alert.
    ///
    /// # Errors
    /// Those of the store; then nothing is recorded and it can be asked again.
    pub async fn answer(&mut self, answer: &Answer, now: Timestamp) -> Result<Answered, StoreError> {
        let mut change = self.store.begin().await?;
        let Some(state) = change.alert_state(&answer.alert).await? else {
            change.commit().await?;
            return Ok(Answered::UnknownAlert);
        };
        if !may_answer(answer.kind, state) {
            change.commit().await?;
            return Ok(Answered::NotWhen(state));
        }
        let last = change.last_answer(&answer.alert).await?;
        let id = match last.filter(|last| is_again(last, answer, now)) {
            Some(last) => last.id,
            None => {
                let row = NewAnswer {
                    alert: &answer.alert,
                    kind: answer.kind,
                    by: &answer.by,
                    note: &answer.note,
                    expires_at: answer.expires_at,
                };
                change.put_answer(&row, now).await?
            }
        };
        change.commit().await?;
        Ok(Answered::Recorded(id))
    }

    /// Records that a receiver pressed the button behind a message's link; the signature was checked by whoever asks.
    ///
    /// # Errors
    /// Those of the store; then nothing is recorded and it can be asked again.
    pub async fn receive(
        &mut self,
        delivery: &str,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Received, StoreError> {
        let mut change = self.store.begin().await?;
        let received = match change.linked_delivery(delivery).await? {
            None => Received::UnknownDelivery,
            Some(linked) if !linked.open => Received::Before,
            Some(linked) => Received::Recorded(change.put_received(delivery, &linked.receiver, expires_at, now).await?),
        };
        change.commit().await?;
        Ok(received)
    }

    /// Begins a silence.
    ///
    /// # Errors
    /// Those of the store; then nothing is recorded and it can be asked again.
    pub async fn silence(&mut self, silence: &Silence, now: Timestamp) -> Result<Silenced, StoreError> {
        let id = format!("s-{:012x}-{:016x}", now.0, fastrand::u64(..));
        let row = NewSilence {
            id: &id,
            matchers: &silence.matchers,
            by: &silence.by,
            why: &silence.why,
            starts_at: silence.starts_at.max(now),
            ends_at: silence.ends_at,
        };
        let mut change = self.store.begin().await?;
        change.put_silence(&row, now).await?;
        change.commit().await?;
        Ok(Silenced::Begun(id))
    }

    /// Ends a silence before its time.
    ///
    /// # Errors
    /// Those of the store; then nothing is changed and it can be asked again.
    pub async fn end_silence(&mut self, id: &str, by: &str, now: Timestamp) -> Result<Silenced, StoreError> {
        let mut change = self.store.begin().await?;
        let silenced = match change.silence_end(id).await? {
            None => Silenced::UnknownSilence,
            Some(end) if end <= now => Silenced::Over,
            Some(_) => {
                change.end_silence(id, by, now).await?;
                Silenced::Ended
            }
        };
        change.commit().await?;
        Ok(silenced)
    }
}

/// What is over needs nobody to have it in hand; that it was false, and notes, may be said later.
fn may_answer(kind: AnswerKind, state: AlertState) -> bool {
    match kind {
        AnswerKind::Acknowledged | AnswerKind::Arrived => state == AlertState::Firing,
        AnswerKind::FalseAlarm => state != AlertState::Withdrawn,
        AnswerKind::Note => true,
    }
}

fn is_again(last: &LastAnswer, answer: &Answer, now: Timestamp) -> bool {
    let near = |one: Option<Timestamp>, other: Option<Timestamp>| match (one, other) {
        (Some(one), Some(other)) => (one - other).abs() < AGAIN,
        (one, other) => one == other,
    };
    (0..AGAIN).contains(&(now - last.at))
        && (last.kind, &last.by, &last.note) == (answer.kind, &answer.by, &answer.note)
        && near(last.expires_at, answer.expires_at)
}
