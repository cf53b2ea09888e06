"""The stand-in for powershell.exe: PSRP server, parameter binding, streams."""
