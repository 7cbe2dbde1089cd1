"""`make faults`: runs every workflow with a fault at each of its calls in turn."""
