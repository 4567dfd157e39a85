"""Logging in to brokers: TLS, passwords, tokens."""
