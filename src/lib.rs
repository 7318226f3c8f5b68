//! liftwatch: watches a city's lifts. The map of the rooms is docs/ARCHITECTURE.md.

pub mod domain;

pub mod clock;

pub mod metrics;

pub mod store;

pub mod pipeline;

pub mod http;
