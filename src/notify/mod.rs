//! Telling people: who hears of what, by which way, how often, and the record of it. The outbox is what must be told.

pub mod matcher;

pub mod route;

pub mod answered;

pub mod silence;

pub mod received;

pub mod message;

pub mod sink;
