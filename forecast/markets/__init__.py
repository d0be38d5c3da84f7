"""Prediction markets, read only: venues, what their prices imply, and how their contracts map to a case's events."""
