"""The operator's command, a client of the API and of nothing else."""
