//! The maintenance ledger: what enters it, what is signed, and whether every change of it is found.

pub mod chronicle;
mod daemon;
mod edits;
mod independent;
mod package;
mod signing;
