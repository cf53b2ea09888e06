"""The failover family."""
