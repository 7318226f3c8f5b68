//! REGISTRY of sinks: a new one is its file and its lines here.

pub mod webhook;

pub mod alertmanager;
