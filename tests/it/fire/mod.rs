//! The main route under fire: the built daemon, a real broker, real files, and everything that FAILURES can do to them.
//! Each destructive test has a blind twin, a daemon with one promise broken (src/switches.rs), which must lose.
//! They take turns: each wants the machine for itself, and a promise about seconds means nothing under another's load.

pub mod town;

mod load;

mod kills;

mod power;

mod disk;

mod syscalls;

mod broker;

mod lost_queue;

mod malformed;

mod clocks;
