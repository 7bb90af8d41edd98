"""Programs that a fuzzer runs."""
