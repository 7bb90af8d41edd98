"""Log lines and EventBridge events in, `Event` values out; what cannot be believed is refused with a reason."""
