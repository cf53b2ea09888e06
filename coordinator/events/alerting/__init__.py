"""Alerts: telling people and programs of events, by e-mail and webhooks."""
