"""What the stages hand to each other: immutable values with no behaviour beyond their shape."""
