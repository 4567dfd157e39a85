"""Who decides: the models, the rules and the core that runs them over state and events. Pure, but for `binding`."""
