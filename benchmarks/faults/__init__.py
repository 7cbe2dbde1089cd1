"""`make faults`: every workflow with a fault at each of its calls in turn, and what comes of it."""
