//! See `src/content_coding.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| eyewall_fuzz::content_coding::run(data));
