//! SQL, and only here: one file per table group; everything above speaks in use cases.

pub mod read;
