"""`authorizer.yml` in, what each route asks of a token out."""
