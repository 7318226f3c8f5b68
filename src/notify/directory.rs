//! The receivers by name, each with its ways: opened when first needed, and kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::domain::time::Timestamp;

use super::message::{Item, Message};
use super::received::Key;
use super::receiver;
use super::settings::Settings;
use super::sink::{Answer, Parcel, Sending, Sink, SinkError, Text};
use super::wording::Look;

/// Puts a message into a receiver's words, for the delivery of this id.
pub type Wording = Box<dyn Fn(&Message, &str) -> Text + Send + Sync>;

/// Opens a receiver by its name; `None` where the configuration has none of that name.
pub type Opening = Box<dyn Fn(&str) -> Option<Receiver> + Send + Sync>;

/// Somebody who is told.
pub struct Receiver {
    pub ways: Vec<Way>,
    pub wording: Wording,
}

/// One way to a receiver.
pub struct Way {
    /// Kind and place, such as `webhook-0`.
    pub label: String,
    pub sink: Box<dyn Sink>,
}

/// Makes a sink, or says what is wrong.
type Making = Box<dyn Fn() -> Result<Box<dyn Sink>, SinkError> + Send + Sync>;

/// A sink that could not be made, such as for a secret that cannot be read. Each message that is to go by it tries again to
/// make it, so that whoever mends the file need not restart.
struct Unmade {
    kind: &'static str,
    making: Making,
    made: OnceLock<Box<dyn Sink>>,
}

impl Unmade {
    /// The sink, if it can be made by now.
    fn sink(&self) -> Result<&dyn Sink, SinkError> {
        if self.made.get().is_none() {
            let made = (self.making)()?;
            tracing::info!(sink = self.kind, "a way to a receiver that could not be used can be used now");
            // Of two that were made at once, the first stays.
            drop(self.made.set(made));
        }
        self.made.get().map(AsRef::as_ref).ok_or_else(|| SinkError::new("", "cannot be made"))
    }
}

impl Sink for Unmade {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn send<'a>(&'a self, parcel: Parcel<'a>) -> Sending<'a> {
        match self.sink() {
            Ok(sink) => sink.send(parcel),
            Err(error) => {
                Box::pin(async move { Answer::Retry { status: None, detail: error.to_string(), after: None } })
            }
        }
    }

    fn limit(&self) -> Option<(u32, Duration)> {
        self.made.get()?.limit()
    }

    fn refresh(&self) -> Option<Duration> {
        self.made.get()?.refresh()
    }

    fn show<'a>(&'a self, firing: &'a [Item], now: Timestamp) -> Sending<'a> {
        match self.sink() {
            Ok(sink) => sink.show(firing, now),
            Err(error) => {
                Box::pin(async move { Answer::Retry { status: None, detail: error.to_string(), after: None } })
            }
        }
    }
}

impl Receiver {
    /// The way of this label.
    #[must_use]
    pub fn way(&self, label: &str) -> Option<&Way> {
        self.ways.iter().find(|way| way.label == label)
    }
}

/// Every receiver that there is. As many as the configuration and the registry's firms make.
pub struct Directory {
    opening: Opening,
    opened: Mutex<HashMap<String, Option<Arc<Receiver>>>>,
}

impl Directory {
    /// Receivers that `opening` opens.
    #[must_use]
    pub fn new(opening: Opening) -> Self {
        Self { opening, opened: Mutex::default() }
    }

    /// The receivers of the configuration, which read times in this zone; `links` signs their "received" links.
    #[must_use]
    pub fn configured(settings: Settings, zone: TimeZone, links: Option<Key>) -> Self {
        Self::new(Box::new(move |name| open(&settings, &zone, links.as_ref(), name)))
    }

    /// The receiver of this name.
    pub fn get(&self, name: &str) -> Option<Arc<Receiver>> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = opened.get(name) {
            return known.clone();
        }
        let receiver = (self.opening)(name).map(Arc::new);
        opened.insert(name.to_owned(), receiver.clone());
        receiver
    }
}

fn open(settings: &Settings, zone: &TimeZone, links: Option<&Key>, name: &str) -> Option<Receiver> {
    let receiver::Found { receiver, values } = receiver::find(&settings.receivers, name)?;
    let made = receiver.connect(&values, &settings.notify.allow_nets).into_iter();
    let ways = made.map(|(place, made)| Way {
        label: place.to_string(),
        sink: made.unwrap_or_else(|error| {
            tracing::error!(receiver = name, sink = %place, error = %error, "this way to the receiver cannot be used");
            let (receiver, values, nets) = (receiver.clone(), values.clone(), settings.notify.allow_nets.clone());
            let making = move || receiver.remake(place, &values, &nets);
            Box::new(Unmade { kind: place.kind, making: Box::new(making), made: OnceLock::new() })
        }),
    });
    let (templates, language, zone) = (settings.templates.clone(), receiver.language, zone.clone());
    // Without a public address there is no place that a link could lead to.
    let links = settings.notify.public_url.clone().zip(links.cloned());
    let wording: Wording = Box::new(move |message, delivery| {
        let received = links.as_ref().map(|(url, key)| format!("{url}{}", key.path(delivery)));
        templates.render(message, Look { language, zone: &zone, received: received.as_deref() })
    });
    Some(Receiver { ways: ways.collect(), wording })
}
