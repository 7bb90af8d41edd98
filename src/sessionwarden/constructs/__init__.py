"""CDK constructs that other people's apps can import."""
