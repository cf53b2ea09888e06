"""Graphs of steps, the engine that runs them, commands to providers."""
