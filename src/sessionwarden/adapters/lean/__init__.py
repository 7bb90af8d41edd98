"""Adapters for calls that a client waits for: DynamoDB, Cognito and key sets, over sockets without an SDK."""
