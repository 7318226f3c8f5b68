//! Telling people: who hears of what, by which way, how often, and the record of it. The outbox is what must be told.

pub mod language;

pub mod period;

pub mod matcher;

pub mod route;

pub mod group;

pub mod expected;

pub mod escalation;

pub mod answered;

pub mod silence;

pub mod received;

pub mod message;

pub mod wording;

pub mod text;

pub mod sink;

pub mod fill;

pub mod secret;

pub mod guard;

pub mod post;

pub mod sinks;

pub mod receiver;

pub mod settings;

pub mod backoff;

pub mod directory;

pub mod door;

pub mod letter;

pub mod quiet;

pub mod fresh;

pub mod area;

pub mod plan;

pub mod ladder;

pub mod affairs;

pub mod planner;

pub mod sending;

pub mod lanes;

pub mod dispatcher;

pub mod refresher;
