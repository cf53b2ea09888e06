"""What discovery means for protection: readiness, following machines, refresh, consistency."""
