"""Commands with which operators run a deployment, one module each."""
