"""Two simulated sites: the strict stand-in for Windows, Hyper-V and VMM."""
