"""`make machines`: three web and three worker processes on machines of their own, under faults; counts the results."""
