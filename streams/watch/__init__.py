"""What is seen of a worker from outside: metrics, health, its log."""
