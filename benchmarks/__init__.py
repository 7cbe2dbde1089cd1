"""What `make bench` measures. Each module that `__main__` names has `rows()`."""
