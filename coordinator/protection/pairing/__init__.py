"""Pairing clouds: configuring their hosts for replication, and taking it back."""
