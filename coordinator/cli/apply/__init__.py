"""osr apply, diff and export: a vault's configuration as files."""
