"""`deploy/demo`: one machine's way from Shanghai to Beijing and back, with proof."""
