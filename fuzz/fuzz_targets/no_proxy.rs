//! See `src/no_proxy.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| eyewall_fuzz::no_proxy::run(data));
