"""Benchmarks of `make bench`. Each module that `__main__` names has `rows()`."""
