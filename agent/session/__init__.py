"""Talking to the coordinator: the connection, its stream of messages, carrying commands out."""
