"""A Django admin of the same rows with Django's defaults, as the reference of the pages' measurements."""
