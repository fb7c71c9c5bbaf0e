"""Rules from a view to findings, one file a subject. Thresholds carry their source."""
