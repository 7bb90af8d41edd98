"""The commands `sessionwarden rules ...`: one module a command."""
