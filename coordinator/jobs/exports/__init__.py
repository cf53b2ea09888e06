"""Exports of the list of jobs."""
