"""What rule authors use: the catalogue of rules, their cases, explanations, templates and editor schemas."""
