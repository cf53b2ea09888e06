"""What the agent sees of the fabric: VMM's inventory and Hyper-V's replication."""
