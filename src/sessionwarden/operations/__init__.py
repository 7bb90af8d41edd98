"""What operators do to a deployment, as the commands of `sessionwarden` ask for it."""
