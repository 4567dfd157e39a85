"""Dead letters: what they hold, what there is of them, and sending back what can be understood now."""
