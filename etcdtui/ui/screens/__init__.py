"""Everything that can fill the terminal, and the dialogs above it."""
