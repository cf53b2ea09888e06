"""Running recovery plans: what a run is made of, its graph, beginning it and ending it."""
