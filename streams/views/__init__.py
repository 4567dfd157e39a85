"""The views in Redis: what others are shown of customers, from what is durable alone."""
