//! See `src/chunk_decoder.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| eyewall_fuzz::chunk_decoder::run(data));
