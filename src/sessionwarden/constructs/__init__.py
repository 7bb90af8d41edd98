"""CDK constructs for Sessionwarden's parts, which other CDK apps can import."""
