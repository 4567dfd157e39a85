"""What `doctor` looks at: a module for each thing around the workers. Nothing here changes any of it."""
