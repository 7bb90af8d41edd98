"""The commands with which operators run a deployment."""
