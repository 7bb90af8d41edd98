"""Compact JWS text in, verified Cognito claims out."""
