//! Pruning by age: what goes, what stays, and that neither alerts nor proofs notice.

mod kept;
mod killed;
mod ledger;
mod model;
mod redelivered;
mod short;
