"""How the agent talks to PowerShell: commands out as data, typed records and errors back."""
