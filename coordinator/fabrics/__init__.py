"""VMM servers, their providers, and what they hold: clouds, hosts, machines, networks, storage."""
