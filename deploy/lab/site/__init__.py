"""A simulated site: VMM server, Hyper-V hosts, guests and replication with real bytes."""
