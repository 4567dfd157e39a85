"""Why a rule has told of a customer, or has not."""
