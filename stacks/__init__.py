"""What this project deploys: wiring of constructs."""
