//! Registry files under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| bodies::registry(&bodies::read_registry, input));
