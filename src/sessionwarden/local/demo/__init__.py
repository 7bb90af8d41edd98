"""The demo: a whole deployment on this machine, in which abused sessions are ended."""
