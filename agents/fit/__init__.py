"""What a population is like, learned from its log."""
