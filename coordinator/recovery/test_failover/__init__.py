"""Test failover and its clean-up."""
