//! See `src/fetch.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| eyewall_fuzz::fetch::run(data));
