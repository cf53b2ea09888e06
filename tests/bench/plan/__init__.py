"""The benchmark of a plan's run: workload, agents that only wait, the product, a bare skeleton."""
