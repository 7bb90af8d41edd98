"""The demo: a whole deployment on this machine, in which an abused session dies."""
