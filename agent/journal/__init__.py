"""What the agent must not forget: commands, results, what the coordinator knows, host keys."""
