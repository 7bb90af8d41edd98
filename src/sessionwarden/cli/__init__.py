"""The `sessionwarden` command."""
