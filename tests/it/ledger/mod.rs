//! The maintenance ledger: what enters it, what is signed, and whether every change of it is found.

mod chronicle;
mod edits;
mod package;
mod signing;
