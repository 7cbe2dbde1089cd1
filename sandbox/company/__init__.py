"""The company of the demo: a dozen customers, forty domains, and a month of history."""
