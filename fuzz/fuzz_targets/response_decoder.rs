//! See `src/response_decoder.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| eyewall_fuzz::response_decoder::run(data));
