"""The commands `sessionwarden decisions ...`: list, show, add and undo decisions."""
