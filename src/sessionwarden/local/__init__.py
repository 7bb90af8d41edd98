"""The local stack: the real templates in an emulator."""
