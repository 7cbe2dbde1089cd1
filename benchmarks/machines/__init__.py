"""`make machines`: three web and three worker processes on machines of their own, under fire; then all is counted."""
