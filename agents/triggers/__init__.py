"""Who decides, a module for each family of rules."""
