//! Telling people: who hears of what, by which way, how often, and the record of it. The outbox is what must be told.

pub mod matcher;

pub mod route;

pub mod group;

pub mod message;

pub mod sink;

pub mod backoff;

pub mod directory;

pub mod door;

pub mod letter;

pub mod plan;

pub mod planner;

pub mod sending;

pub mod lanes;

pub mod dispatcher;
