//! Payloads of every family and class under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| bodies::payload(&bodies::decode, input));
