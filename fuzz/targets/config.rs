//! Configuration files under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| bodies::config(&bodies::read_config, input));
