//! The maintenance ledger: what enters it, what is signed, and whether every change of it is found.

mod browser;
pub mod chronicle;
mod daemon;
mod edits;
mod evidence;
mod independent;
pub mod package;
mod pages;
mod selection;
mod signing;
