"""Settlement files: the lines that all gateways' files become, and how tables are read into them."""
