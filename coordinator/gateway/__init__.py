"""The gRPC server agents dial: registration, sessions, routing."""
