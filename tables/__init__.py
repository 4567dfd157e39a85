"""What is remembered: the events, a customer's state and how an event changes it, timers, parameters. Pure."""
