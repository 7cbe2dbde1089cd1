"""Everything for one machine: embedded PostgreSQL, `make run`, the browser. Needs no Django settings."""
