"""What a client waits for: DynamoDB, Cognito and key sets over plain sockets, without an SDK."""
