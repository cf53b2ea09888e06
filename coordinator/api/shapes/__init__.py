"""How objects look in answers."""
