"""Where the members of windows lie, and how many new keys are admitted."""
