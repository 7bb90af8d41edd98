"""The stores of the core in DynamoDB tables: windows, shared logs, denylist, decisions, control."""
