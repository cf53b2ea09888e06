"""Network mapping: which network, subnet and address a replica gets, and why."""
