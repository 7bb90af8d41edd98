"""The command `sessionwarden replay`: run rules over log files and say whom they would have touched."""
