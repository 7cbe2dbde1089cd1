"""The company that the demo shows: a dozen customers, forty domains, and a month of what happened to them."""
