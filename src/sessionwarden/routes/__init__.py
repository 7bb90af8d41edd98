"""The requirements that each route of an API makes of a token, as `authorizer.yml` declares them."""
