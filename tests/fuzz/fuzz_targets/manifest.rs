#![cfg_attr(fuzzing, no_main)]

airlock_fuzz::fuzzer!(manifest);
