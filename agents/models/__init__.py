"""What is to be expected of a customer, by what was seen of them: formulas alone."""
