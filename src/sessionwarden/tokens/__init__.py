"""Verifies Cognito tokens: from the text of a token to its verified claims."""
