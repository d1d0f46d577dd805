"""Pure functions on arrays: the ground floor. Nothing here imports anything else of samkit."""
