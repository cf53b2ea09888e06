"""What a recovery plan may be (SPEC RP-1 to RP-3)."""
