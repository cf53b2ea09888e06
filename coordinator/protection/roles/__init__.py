"""Which copy of a machine may run, and what follows from that (SPEC FO-7)."""
