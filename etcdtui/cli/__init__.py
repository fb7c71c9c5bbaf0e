"""The command line: what can be done without the screen, and how the screen is opened."""
