"""Other people's numbers: reading them, naming them, fetching them."""
