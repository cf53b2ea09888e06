"""Vaults, registration keys, the certificate authority."""
