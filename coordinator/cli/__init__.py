"""The operator's command, `osr`: a client of the API through Microsoft's own SDK."""
