//! See `src/header_encoder.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| eyewall_fuzz::header_encoder::run(data));
