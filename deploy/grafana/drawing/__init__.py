"""Draws what a dashboard shows: its grid, titles and units from its JSON, its series from a Prometheus. Not Grafana."""
