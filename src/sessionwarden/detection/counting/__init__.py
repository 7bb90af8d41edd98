"""Where the intervals of a key meet a rule's condition."""
