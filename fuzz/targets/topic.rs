//! Topics and filters under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| bodies::topic(&bodies::decode, input));
