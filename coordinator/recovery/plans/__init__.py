"""Recovery plans: what they are made of, their rules, saving and reading them."""
