"""What a Django developer gets for nothing: an admin of the same rows, of which nothing is set but what is searched."""
