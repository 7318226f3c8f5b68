//! A synthetic city and the replay of a status log. Speaks the public MQTT contract only; knows nothing of the daemon.

pub mod registry_csv;

pub mod city;

pub mod payload;

pub mod lift;

pub mod agenda;

pub mod story;

pub mod maintenance;

pub mod publisher;

pub mod outstanding;

pub mod controller;

pub mod controllers;

pub mod replay;

pub mod status_log;

#[cfg(feature = "embedded-broker")]
pub mod broker;
