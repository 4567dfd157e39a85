"""How right it all is."""
