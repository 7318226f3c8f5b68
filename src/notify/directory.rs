//! The receivers by name, each with its ways: opened when first needed, and kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::message::Message;
use super::sink::{Sink, Text};

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
