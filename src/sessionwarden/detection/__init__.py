"""(window state, events) in, findings out: exact under duplicates and reordering."""
