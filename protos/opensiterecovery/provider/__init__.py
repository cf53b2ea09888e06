"""The provider protocol."""
