"""What is counted: windows, their keys, and what flows from one rule into another."""
