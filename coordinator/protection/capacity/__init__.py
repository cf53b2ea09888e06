"""How much hosts may send for replication, and when."""
