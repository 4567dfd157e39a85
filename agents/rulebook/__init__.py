"""The numbers that decide, with their defaults, and the file that changes them."""
