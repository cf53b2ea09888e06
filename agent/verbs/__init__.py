"""What the agent can do on the fabric: one module per family of commands."""
