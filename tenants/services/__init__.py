"""What can be done to customers, their members and people; a module for each subject."""

from tenants.services.associating import dissociate_everywhere
from tenants.services.customers import create_customer, delete_customer, rename_customer, subject

__all__ = ["create_customer", "delete_customer", "dissociate_everywhere", "rename_customer", "subject"]
