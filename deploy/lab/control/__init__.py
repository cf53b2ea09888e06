"""`labctl`: puts both sites, their agents and a coordinator on this machine, and works on them."""
