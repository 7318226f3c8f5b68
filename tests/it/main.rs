//! Every integration test in one binary: one link, one place to look.

mod config;

mod registry_csv;
