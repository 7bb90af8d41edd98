"""The stores of the core in this process: for replay, and to try rules."""
