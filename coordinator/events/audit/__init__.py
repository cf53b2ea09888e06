"""The audit: who did what, in hash chains that only grow."""
