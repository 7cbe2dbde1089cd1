"""For one machine: the embedded PostgreSQL, `make run`, the browser. No Django settings needed."""
