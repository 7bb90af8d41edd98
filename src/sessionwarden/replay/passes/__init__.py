"""A log in two passes: the first leaves out keys that cannot fire, the second feeds the engine the rest."""
