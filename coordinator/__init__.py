"""The coordinator: truth in PostgreSQL, jobs, API, gateway."""
