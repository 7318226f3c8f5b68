//! Every integration test in one binary: one link, one place to look.

#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it says")]

mod architecture;

mod config;

mod ledger;
mod lockfile;

mod notify_routes;

mod notify_amtool;

mod notify_groups;

mod notify_ladder;

mod notify_text;

mod registry_csv;

mod decode_cases;

mod decode_properties;

mod fuzz;

mod world;

mod model;

mod pipeline_model;

mod rules;

mod pipeline_scenarios;

mod pipeline_adversary;

mod telling;

mod store;

mod mosquitto;

mod mqtt;

mod simulation;

mod city;

mod story;

mod http;

mod browser;

mod answers;

mod roles;

mod visits;

mod retention;

mod metrics;

mod prometheus_rules;

mod deploy;

mod pages;

mod areas;

mod reading;

mod process;

mod daemon;

mod regions;

mod crash;

mod delivered;

mod operator;

mod cli;

mod dashboards;

mod doctor;

mod backup;

mod moved;

mod replay;

mod tls;

mod years;

mod sinks;

#[cfg(feature = "embedded-broker")]
mod demo;

mod fire;

mod month;
