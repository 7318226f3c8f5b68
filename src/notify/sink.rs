//! CONTRACT of a sink: one way by which a receiver is reached, such as a webhook or mail.

use std::pin::Pin;
use std::time::Duration;

use crate::domain::time::Timestamp;

use super::message::{Item, Message};

/// One message on its way, the same at every try.
#[derive(Debug, Clone, Copy)]
pub struct Parcel<'a> {
    /// The idempotency key: the delivery's id, the same on every retry.
    pub key: &'a str,
    /// Counted from 1.
    pub attempt: u32,
    pub message: &'a Message,
    /// The message in the receiver's language, from the operator's templates.
    pub text: &'a Text,
    pub now: Timestamp,
}

/// A message as people read it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text {
    /// One line.
    pub subject: String,
    pub plain: String,
    pub html: String,
    /// As WeCom and DingTalk robots take it.
    pub markdown: String,
}

/// How a try ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Delivered {
        status: Option<u16>,
    },
    /// Worth another try; not before `after` has passed, if the receiver said so.
    Retry {
        status: Option<u16>,
        detail: String,
        after: Option<Duration>,
    },
    /// The receiver does not want this one.
    Refused {
        status: Option<u16>,
        detail: String,
    },
    /// The receiver is no more.
    Gone {
        status: Option<u16>,
        detail: String,
    },
}

/// A future that a trait object can return.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;

/// A sink owns its settings and its connection. It never retries by itself, and never takes longer than 15 s.
pub trait Sink: Send + Sync {
    /// The word in config, metrics and the record: `webhook`.
    fn kind(&self) -> &'static str;

    /// Sends one message and says how it went. What it writes of it never holds a secret.
    fn send<'a>(&'a self, parcel: Parcel<'a>) -> Sending<'a>;

    /// How many messages in how long a time the receiver takes; the rest is folded into a digest.
    fn limit(&self) -> Option<(u32, Duration)> {
        None
    }

    /// How often everything that fires is shown to the receiver anew; `None` if it remembers what it is told.
    fn refresh(&self) -> Option<Duration> {
        None
    }

    /// Shows all alerts that fire for this receiver. Not a delivery, and not recorded as one.
    fn show<'a>(&'a self, firing: &'a [Item], now: Timestamp) -> Sending<'a> {
        let _ = (firing, now);
        Box::pin(async { Answer::Delivered { status: None } })
    }
}

/// What is wrong with a sink's settings, or with a file that they name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct SinkError {
    /// The key inside the sink's section: `url`.
    pub key: &'static str,
    /// What is wrong and what would be right. Never holds a secret.
    pub problem: String,
}

impl SinkError {
    /// A problem of one key.
    #[must_use]
    pub fn new(key: &'static str, problem: impl Into<String>) -> Self {
        Self { key, problem: problem.into() }
    }
}
