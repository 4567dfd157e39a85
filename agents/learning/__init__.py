"""What a population is like, learned while workers run."""
