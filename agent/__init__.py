"""The provider: runs on the VMM server, dials out, drives VMM and Hyper-V through PowerShell."""
