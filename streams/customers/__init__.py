"""One customer, looked up: where the state is, what it says, and what was sent."""
