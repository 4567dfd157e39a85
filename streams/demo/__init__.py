"""The demo: real orders and simulated carts through an embedded broker and a worker process, and what came of it."""
