"""The document of the API: what can be asked, and what is answered."""
