#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| shardgate_fuzz::runtime_request(bytes));
