"""The denylist's own logic: whether its entries refuse a token, and how entries are stored."""
