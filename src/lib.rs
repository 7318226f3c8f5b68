//! liftwatch: watches a city's lifts. The map of the rooms is docs/ARCHITECTURE.md.

pub mod domain;

pub mod config;

pub mod registry_csv;
