"""The parts of the dashboard: each renders what it is given and posts what the user wants."""
