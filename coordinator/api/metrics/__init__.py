"""Metrics for Prometheus, read from the database each time they are asked for."""
