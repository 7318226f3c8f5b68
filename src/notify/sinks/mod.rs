//! REGISTRY of sinks: a new one is its file and its lines here.

pub mod webhook;

pub mod alertmanager;

pub mod board;

pub mod mqtt;

pub mod email;

pub mod robot;

pub mod wecom;

pub mod dingtalk;
