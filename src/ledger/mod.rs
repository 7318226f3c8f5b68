//! The log that can only grow: leaf bytes, tree, checkpoints and proofs. Pure; no database, no clock, no network.
//!
//! Every entry is a leaf of one RFC 6962 tree. A checkpoint is a signed note over the tree's size and root, and whoever
//! keeps one can later prove that nothing before it was changed. The formats are public (docs/LEDGER.md), so that
//! nobody has to believe this program to check what it says.

pub mod hash;

pub mod canonical;

pub mod spelling;

pub mod leaf;

pub mod commitment;

pub mod tree;

pub mod proof;

pub mod checkpoint;

pub mod heads;

pub mod retention;

pub mod bundle;

pub mod selection;

pub mod sheet;
