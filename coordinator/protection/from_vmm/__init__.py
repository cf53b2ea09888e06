"""Protection that is switched on in VMM itself."""
