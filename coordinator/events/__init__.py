"""Events: what is wrong, or went wrong, and needs somebody's eye."""
