"""What an enforcing rule may do only if its author says so, and the ordinary traffic that it is judged by."""
