"""Everything around the product: demo, lab, packaging, documentation."""
