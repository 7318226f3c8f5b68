//! liftwatch: watches a city's lifts. The map of the rooms is docs/ARCHITECTURE.md.

pub mod domain;

pub mod clock;

pub mod switches;

pub mod broker;

pub mod serde_word;

pub mod config;

pub mod metrics;

pub mod qr;

pub mod hex;

pub mod registry_csv;

pub mod checklists;

pub mod decode;

pub mod detect;

pub mod ledger;

pub mod package;

pub mod token;

pub mod store;

pub mod fleet;

pub mod pipeline;

pub mod notify;

pub mod ingest;

pub mod simulate;

pub mod sweep;

pub mod report;

pub mod signer;

pub mod writer;

pub mod http;

pub mod app;

pub mod cli;
