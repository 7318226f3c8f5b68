//! Telling people: who hears of what, by which way, how often, and the record of it. The outbox is what must be told.

pub mod message;

pub mod sink;

pub mod fill;

pub mod secret;

pub mod guard;

pub mod post;

pub mod sinks;
