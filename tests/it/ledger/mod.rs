//! The maintenance ledger: what enters it, what is signed, and whether every change of it is found.

mod chronicle;
mod daemon;
mod edits;
mod evidence;
mod independent;
mod package;
mod pages;
mod signing;
