"""A token and a request in, one decision out: where tokens, routes and the denylist meet."""
