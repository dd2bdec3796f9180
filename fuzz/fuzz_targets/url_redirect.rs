//! See `src/url_redirect.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| eyewall_fuzz::url_redirect::run(data));
