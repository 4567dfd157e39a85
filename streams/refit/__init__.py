"""Population parameters that workers fit from what they remember, publish, and go by."""
