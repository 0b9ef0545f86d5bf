"""No loss in this slot."""
