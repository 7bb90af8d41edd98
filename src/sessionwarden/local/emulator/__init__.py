"""Starts the AWS emulator on loopback and deploys the real templates into it."""
