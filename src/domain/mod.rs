//! The words of the trade: plain values without I/O, serde or a clock; every other room speaks them.

pub mod vocabulary;

pub mod time;

pub mod id;

pub mod unit;

pub mod access;

pub mod fault;

pub mod event;

pub mod visit;

pub mod hazard;

pub mod alert;

pub mod notice;

pub mod gap;

pub mod numbering;

pub mod levels;

pub mod words;
