"""Figures, each beside a raw part or an ideal in the same run."""
